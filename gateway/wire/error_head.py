"""Header lines by which clients tell errors apart, and know whether to ask again: most read status and body alone."""

from __future__ import annotations

from math import ceil

from gateway.core.errors import ClientError, GatewayError, NotAvailable
from gateway.core.exchange import Headers
from gateway.core.ports import Dialect
from gateway.wire.bedrock_converse.errors import ERROR_TYPE, error_type
from gateway.wire.limit_head import limit_headers

_AMAZONS = "bedrock_"
_AGAIN = b"x-should-retry"


def error_headers(dialect: Dialect, error: GatewayError) -> Headers:
    """Give them, for an error in a dialect."""
    headers: Headers = {}
    if dialect.name.startswith(_AMAZONS):
        headers[ERROR_TYPE] = error_type(error.status).encode()
    if isinstance(error, NotAvailable):
        # Its status is one after which clients ask again; it would be the same.
        headers[_AGAIN] = b"false"
    if isinstance(error, ClientError) and error.allowance is not None:
        headers |= limit_headers(dialect.name, error.allowance.standings, error.allowance.at_us)
    return headers


def error_lines(dialect: Dialect, error: GatewayError) -> bytes:
    """The same, encoded, each line ending in CRLF; and after how long it may be asked again."""
    retry = b"" if error.retry_after_s is None else b"retry-after: %d\r\n" % max(1, ceil(error.retry_after_s))
    return b"".join(b"%b: %b\r\n" % item for item in error_headers(dialect, error).items()) + retry
