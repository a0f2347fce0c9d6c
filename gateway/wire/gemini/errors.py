"""Google's error shape: ``{"error": {"code", "message", "status", "details"}}``, whole, as an event, and in an array.

https://google.aip.dev/193. ``code`` is the HTTP status, ``status`` a name of ``google.rpc.Code``.
"""

from __future__ import annotations

from typing import Any

import orjson

from gateway.core.errors import GatewayError, GatewayFault, StreamFailed
from gateway.wire.shapes import is_integer, is_object, is_text

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "INVALID_ARGUMENT",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    412: "FAILED_PRECONDITION",
    413: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}
_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
_BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"


def status_name(status: int) -> str:
    """Name an HTTP status as ``google.rpc.Code`` does."""
    return _STATUSES.get(status, "INVALID_ARGUMENT" if status < 500 else "INTERNAL")


def error_body(error: GatewayError, exchange_id: str) -> bytes:
    """Encode an error as Google's error document.

    Args:
        error: What went wrong. A fault of ours with status 500 is shown as a generic sentence, whatever it says; a
            :class:`StreamFailed` that carries the provider's own error object is shown as that object.
        exchange_id: Named in the generic sentence, so that whoever reports it can be helped.
    """
    if isinstance(error, StreamFailed) and error.detail is not None:
        return b'{"error":' + error.detail + b"}"
    message = error.public_message
    if error.status == 500 and (isinstance(error, GatewayFault) or type(error) is GatewayError):
        message = f"The gateway failed. When you report this, name the exchange: {exchange_id}"
    details: list[dict[str, Any]] = [{"@type": _INFO, "reason": error.code.upper(), "domain": "weighbridge"}]
    if error.param:
        violation = {"field": error.param, "description": message}
        details.append({"@type": _BAD_REQUEST, "fieldViolations": [violation]})
    if error.retry_after_s is not None:
        details.append({"@type": RETRY_INFO, "retryDelay": f"{error.retry_after_s:g}s"})
    shown = {"code": error.status, "message": message, "status": status_name(error.status), "details": details}
    return orjson.dumps({"error": shown})


def stream_failure(error: Any) -> StreamFailed:
    """Turn the ``error`` of a stream's event into a failure that keeps the provider's own words and status."""
    if not is_object(error):
        return StreamFailed(error if is_text(error) and error else "The provider reported an error.")
    code, message = error.get("code"), error.get("message")
    status = code if is_integer(code) and 400 <= code <= 599 else 502
    shown = message if is_text(message) and message else "The provider reported an error."
    return StreamFailed(shown, status=status, detail=orjson.dumps(error))
