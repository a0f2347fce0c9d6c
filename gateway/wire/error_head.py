"""Header lines by which the clients of a dialect tell errors apart: most read the status and the body alone."""

from __future__ import annotations

from gateway.core.errors import GatewayError
from gateway.core.exchange import Headers
from gateway.core.ports import Dialect
from gateway.wire.bedrock_converse.errors import ERROR_TYPE, error_type

_AMAZONS = "bedrock_"


def error_headers(dialect: Dialect, error: GatewayError) -> Headers:
    """Give them, for an error in a dialect."""
    return {ERROR_TYPE: error_type(error.status).encode()} if dialect.name.startswith(_AMAZONS) else {}


def error_lines(dialect: Dialect, error: GatewayError) -> bytes:
    """The same, encoded, each line ending in CRLF."""
    return b"".join(b"%b: %b\r\n" % item for item in error_headers(dialect, error).items())
