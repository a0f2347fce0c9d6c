"""Which of a server's calls a path stands for, where the server is spoken to by gRPC."""

from __future__ import annotations

import re
from urllib.parse import unquote

import msgspec

from gateway.core.errors import NotAvailable
from gateway.core.exchange import Headers
from gateway.wire.own_keys import reveals, shown
from gateway.wire.triton.rpc_infer import HEAD_LENGTH

_PATH = re.compile(
    r"/v2/models/(?P<model>[^/]+)(?:/versions/(?P<version>[0-9]{1,19}))?"
    r"(?:/(?P<method>generate_stream|generate|infer|ready|config|stats))?"
)
_KEPT = (b"traceparent", b"tracestate", HEAD_LENGTH)


class RpcTarget(msgspec.Struct, frozen=True):
    """What a path asks for.

    Attributes:
        method: Last step of the path; empty where a model is to describe itself.
        model: Decoded.
        version: Digits; empty for the server's choice.
    """

    method: str
    model: str
    version: str


def read_target(path: str) -> RpcTarget:
    """Read a path below a server's address.

    Raises:
        NotAvailable: Nothing of the kind is asked for by gRPC.
    """
    found = _PATH.fullmatch(path.partition("?")[0])
    if found is None:
        raise NotAvailable("This path is not yet available for providers that are spoken to by gRPC.")
    return RpcTarget(found["method"] or "", unquote(found["model"]), found["version"] or "")


def rpc_headers(headers: Headers, consumed: frozenset[bytes], credential: bytes) -> Headers:
    """Return what of a client's headers, and which of ours, go with a call; none reveals the caller's key."""
    secrets = shown(headers, consumed)
    kept = {name: headers[name] for name in _KEPT if name in headers and not reveals(headers[name], secrets)}
    for line in credential.split(b"\r\n"):
        name, _, value = line.partition(b": ")
        if value:
            kept[name.lower()] = value
    return kept
