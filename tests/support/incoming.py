"""Requests as the listener hands them on, with what a test does not care about filled in."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.core.exchange import Headers, Incoming

JSON = {b"content-type": b"application/json"}


def incoming(
    method: str = "POST", path: str = "/v1/x", *, body: bytes = b"", query: str = "", headers: Headers | None = None
) -> Incoming:
    """A framed request."""
    return Incoming(method, path, query, headers or {}, body, "127.0.0.1:50000", 0)


def json_incoming(path: str, document: Any, *, method: str = "POST", query: str = "") -> Incoming:
    """A framed request with a JSON body."""
    return incoming(method, path, body=orjson.dumps(document), query=query, headers=dict(JSON))
