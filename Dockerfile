# The lean sidecar: Redis, ClickHouse server, HTTP providers, deterministic guards. For the embedded engine install
# weighbridge[embedded] instead. Mount weighbridge.yaml into /etc/weighbridge; data lives in
# the volume /var/lib/weighbridge.
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS build
WORKDIR /src
RUN python -m venv /opt/weighbridge
COPY requirements/runtime.lock requirements/
RUN /opt/weighbridge/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements/runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY policies policies
COPY gateway gateway
RUN /opt/weighbridge/bin/pip install --no-cache-dir --no-deps . \
    && /opt/weighbridge/bin/python -m compileall -q /opt/weighbridge/lib \
    && /opt/weighbridge/bin/pip uninstall -q -y setuptools pip

FROM ${PYTHON}
RUN useradd --system --uid 10001 --home-dir /var/lib/weighbridge --create-home weighbridge
COPY --from=build /opt/weighbridge /opt/weighbridge
ENV PATH=/opt/weighbridge/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    WEIGHBRIDGE_HOME=/var/lib/weighbridge \
    WEIGHBRIDGE_LISTEN=0.0.0.0:8080
USER 10001:10001
WORKDIR /var/lib/weighbridge
VOLUME /var/lib/weighbridge
# The operator plane stays on loopback unless --operator and a token say otherwise.
EXPOSE 8080
# SIGTERM drains.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=2s --start-period=20s CMD ["python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=1)"]
ENTRYPOINT ["weighbridge"]
CMD ["serve", "-c", "/etc/weighbridge/weighbridge.yaml"]
