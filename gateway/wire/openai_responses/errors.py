"""Errors of Responses: inside a stream they are events of their own, and an answer may have failed as a whole.

The event has its fields at the top, as the protocol says, and once more below ``error``: that is where the official
clients look for a reason to raise.
"""

from __future__ import annotations

from typing import Any

import orjson

from gateway.core.errors import GatewayError, StreamFailed
from gateway.wire.openai_errors import error_body
from gateway.wire.openai_failures import provider_failure
from gateway.wire.openai_stream import write
from gateway.wire.shapes import is_object, is_text

_FIELDS = ("message", "type", "param", "code")
_UNKNOWN, _BROKEN = 502, 500
_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
# What an error stands for where it does not say a status; codes before types.
_STATUSES = {
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "rate_limit_error": 429,
    "server_error": 500,
    "server_overloaded": 503,
    "overloaded_error": 503,
    "vector_store_timeout": 504,
    "model_not_found": 404,
    "not_found_error": 404,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "permission_error": 403,
    "invalid_prompt": 400,
    "context_length_exceeded": 400,
    "content_policy_violation": 400,
    "image_content_policy_violation": 400,
    "failed_to_download_image": 400,
    "unsupported_image_media_type": 400,
    "image_parse_error": 400,
    "image_too_large": 400,
    "image_too_small": 400,
    "image_file_too_large": 400,
    "image_file_not_found": 400,
    "empty_image_file": 400,
    "invalid_request_error": 400,
}


def failure_of(document: dict[str, Any]) -> StreamFailed:
    """Turn an error event, or an answer that failed, into a failure with the status that it stands for."""
    error: Any = document.get("error")
    if not error or not (is_object(error) or is_text(error)):
        error = document
    failure = provider_failure(error)
    if not is_object(error):
        return failure
    status = failure.status
    if status == _UNKNOWN:
        status = status_of(error)
    shown = {name: error.get(name) for name in _FIELDS}
    if shown["type"] in (None, "error"):
        shown["type"] = _TYPES.get(status, "invalid_request_error" if status < _BROKEN else "server_error")
    shown["message"] = failure.public_message
    return StreamFailed(failure.public_message, status=status, detail=write(shown))


def status_of(error: dict[str, Any]) -> int:
    """The status that an error object stands for, by its code, else by its type."""
    for name in ("code", "type"):
        said = error.get(name)
        if is_text(said) and (said in _STATUSES or said.startswith("invalid_image")):
            return _STATUSES.get(said, 400)
    return _UNKNOWN


def error_event(error: GatewayError, exchange_id: str) -> bytes:
    """Encode an error as the last event of a stream."""
    shown = orjson.loads(error_body(error, exchange_id))["error"]
    document = {
        "type": "error",
        "code": shown.get("code"),
        "message": shown.get("message"),
        "param": shown.get("param"),
        "sequence_number": error.event_number,
        "error": shown,
    }
    return b"event: error\ndata: " + orjson.dumps(document) + b"\n\n"
