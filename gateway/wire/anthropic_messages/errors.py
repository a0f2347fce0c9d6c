"""Anthropic's error shape, whole and as the event of a stream, and what its own errors stand for.

Nothing of an error but ``public_message`` and ``code`` is ever shown. The code stands where Anthropic puts the name of
a cause, ``details.error_code``: the official clients show it.
"""

from __future__ import annotations

from typing import Any

import orjson

from gateway.core.errors import GatewayError, GatewayFault, StreamFailed
from gateway.wire.anthropic_messages.events import encode, write
from gateway.wire.shapes import is_object, is_text

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_UNSAID = "The provider reported an error."


def error_type(status: int) -> str:
    """Anthropic's word for a status."""
    return _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")


def error_body(error: GatewayError, exchange_id: str) -> bytes:
    """Encode an error as Anthropic's error document.

    Args:
        error: What went wrong. A fault of ours with status 500 is shown as a generic sentence, whatever it says; a
            :class:`StreamFailed` that carries the provider's own error object is shown as that object.
        exchange_id: The id of the request, for its caller.
    """
    shown: Any
    if isinstance(error, StreamFailed) and error.detail is not None:
        shown = orjson.Fragment(error.detail)
    else:
        message = error.public_message
        if error.status == 500 and (isinstance(error, GatewayFault) or type(error) is GatewayError):
            message = f"The gateway failed. When you report this, name the exchange: {exchange_id}"
        shown = {"type": error_type(error.status), "message": message, "details": {"error_code": error.code}}
    return orjson.dumps({"type": "error", "error": shown, "request_id": exchange_id})


def error_event(error: GatewayError, exchange_id: str) -> bytes:
    """Encode an error as the last event of a stream; no ``message_stop`` follows it."""
    return encode("error", error_body(error, exchange_id))


def provider_failure(error: Any) -> StreamFailed:
    """Turn the ``error`` of an event into a failure that keeps the provider's own words and what they stand for."""
    if not is_object(error):
        return StreamFailed(error if is_text(error) and error else _UNSAID)
    message, kind = error.get("message"), error.get("type")
    status = STATUSES.get(kind, 502) if is_text(kind) else 502
    shown = message if is_text(message) and message else _UNSAID
    return StreamFailed(shown, status=status, detail=write(error))
