"""What a client asks by gRPC, as values: who speaks the protocol makes them, who serves the calls takes them."""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from gateway.core.errors import GatewayError
from gateway.core.exchange import Headers
from gateway.wire.triton.rpc_generate import RpcCall


class Refused(Exception):
    """A call was answered with an error.

    Args:
        status: As the HTTP side says it.
        message: What the client may read.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Caller(msgspec.Struct):
    """Who calls.

    Attributes:
        headers: The call's metadata, lower-case names.
        peer: Address of the client.
        told: Headers of the answer, once there is one.
    """

    headers: Headers
    peer: str
    told: dict[str, str] = {}


class Named(msgspec.Struct, frozen=True):
    """A model, and which version of it; empty for the server's choice."""

    model: str
    version: str

    def path(self, method: str) -> str:
        """The path of the HTTP side that stands for a call."""
        version = f"/versions/{quote(self.version, safe='')}" if self.version else ""
        return f"/v2/models/{quote(self.model, safe='')}{version}{f'/{method}' if method else ''}"


class RpcAsked(msgspec.Struct, frozen=True):
    """A call of a model. ``call``: why it cannot be read, where it cannot."""

    named: Named
    call: RpcCall | GatewayError
