"""A real Envoy whose filter asks a gateway, in each way in which it can be configured to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.envoy import Document, Envoy, cluster, envoy, listener

_TYPES = "type.googleapis.com/envoy.extensions"
_FULL = "FULL_DUPLEX_STREAMED"
# By name: how bodies of requests and of answers are sent.
WAYS = {"duplex": (_FULL, _FULL), "gathered": ("BUFFERED", "BUFFERED"), "piecewise": ("BUFFERED", "STREAMED")}
# Waits for the slowest rule of a test.
_PATIENCE = "60s"


def ext_proc(way: str, **more: Any) -> Document:
    """The filter."""
    request, answer = WAYS[way]
    mode = {
        "request_header_mode": "SEND", "response_header_mode": "SEND", "request_trailer_mode": "SEND",
        "response_trailer_mode": "SEND", "request_body_mode": request, "response_body_mode": answer,
    }  # fmt: skip
    config = {
        "@type": f"{_TYPES}.filters.http.ext_proc.v3.ExternalProcessor",
        "grpc_service": {"envoy_grpc": {"cluster_name": "weighbridge"}},
        "processing_mode": mode,
        "message_timeout": _PATIENCE,
        **more,
    }
    if way == "piecewise":
        config["send_body_without_waiting_for_header_response"] = True
    return {"name": "envoy.filters.http.ext_proc", "typed_config": config}


def speaks_http2() -> Document:
    """The part of a cluster that makes it one of HTTP/2, as gRPC needs it."""
    name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    options = {"@type": f"type.googleapis.com/{name}", "explicit_http_config": {"http2_protocol_options": {}}}
    return {"typed_extension_protocol_options": {name: options}}


@contextmanager
def asking(home: Path, ext_proc_port: int, provider_port: int, **more: Any) -> Iterator[Envoy]:
    """Run one with a listener for each way, all of which lead to one provider.

    Args:
        home: For its files.
        ext_proc_port: Where it asks.
        provider_port: Where calls go.
        more: Of the filter.
    """
    clusters = [
        cluster("provider", provider_port),
        cluster("weighbridge", ext_proc_port, **speaks_http2()),
    ]
    listeners = [listener(way, "provider", filters=(ext_proc(way, **more),)) for way in WAYS]
    with envoy(home, clusters, listeners) as running:
        yield running
