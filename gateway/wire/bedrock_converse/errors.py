"""Amazon's errors: a message in the body, the type in a header, and in a stream a frame that is an exception.

Clients raise by the type, so every status has one. It stands in the body, too, for clients that do not see the header.
"""

from __future__ import annotations

from typing import Any

import orjson

from gateway.core.errors import GatewayError, GatewayFault, StreamFailed
from gateway.wire.aws_eventstream import encode
from gateway.wire.shapes import is_object, is_text

ERROR_TYPE = b"x-amzn-errortype"
_TYPES = {
    401: "AccessDeniedException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    409: "ConflictException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
    504: "ModelTimeoutException",
    # The type that clients wait after, and try again.
    529: "ThrottlingException",
}
# What a stream may end with, by the status that it stands for.
_IN_STREAMS = {
    408: "modelTimeoutException",
    424: "modelStreamErrorException",
    429: "throttlingException",
    500: "internalServerException",
    502: "modelStreamErrorException",
    503: "serviceUnavailableException",
    504: "modelStreamErrorException",
    529: "throttlingException",
}
_STATUSES = {
    "accessdeniedexception": 403,
    "conflictexception": 409,
    "internalserverexception": 500,
    "modelerrorexception": 424,
    "modelnotreadyexception": 429,
    "modelstreamerrorexception": 424,
    "modeltimeoutexception": 408,
    "resourcenotfoundexception": 404,
    "servicequotaexceededexception": 400,
    "serviceunavailableexception": 503,
    "throttlingexception": 429,
    "validationexception": 400,
}
_UNSAID = "The provider reported an error."


def error_type(status: int) -> str:
    """Amazon's word for a status."""
    return _TYPES.get(status, "ValidationException" if status < 500 else "InternalServerException")


def error_body(error: GatewayError, exchange_id: str) -> bytes:
    """Encode an error as the body that goes with its type.

    Args:
        error: What went wrong. A fault of ours with status 500 is shown as a generic sentence, whatever it says.
        exchange_id: Named in the generic sentence, so that whoever reports it can be helped.
    """
    shown = {"message": _shown(error, exchange_id), "__type": error_type(error.status), "reason": error.code}
    return orjson.dumps({**shown, "param": error.param} if error.param else shown)


def error_frame(error: GatewayError, exchange_id: str) -> bytes:
    """Encode an error as the last frame of a stream."""
    kind = _IN_STREAMS.get(error.status, "validationException" if error.status < 500 else "internalServerException")
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return encode(headers, orjson.dumps({"message": _shown(error, exchange_id)}))


def provider_failure(kind: str, payload: bytes) -> StreamFailed:
    """Turn a frame that is an exception into a failure with the provider's own words and what they stand for."""
    try:
        document: Any = orjson.loads(payload)
    except orjson.JSONDecodeError:
        document = None
    return StreamFailed(message_of(document) or _UNSAID, status=_STATUSES.get(kind.lower(), 502))


def message_of(document: Any) -> str:
    """The words of an error, as Amazon's services spell the name; empty where there are none."""
    for name in ("message", "Message"):
        if is_object(document) and is_text(said := document.get(name)):
            return said
    return ""


def _shown(error: GatewayError, exchange_id: str) -> str:
    if error.status == 500 and (isinstance(error, GatewayFault) or type(error) is GatewayError):
        return f"The gateway failed. When you report this, name the exchange: {exchange_id}"
    return error.public_message
