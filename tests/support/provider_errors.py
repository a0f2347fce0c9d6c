"""What providers of each dialect say when they fail: as an answer with a status, and inside a stream."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

import orjson

STATUSES = (400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 503, 529)
WORDS = "What the provider says."
OPENAI_TYPES = {
    401: "authentication_error", 403: "permission_error", 404: "not_found_error", 408: "timeout_error",
    429: "rate_limit_error", 500: "server_error", 503: "overloaded_error", 529: "overloaded_error",
}  # fmt: skip
ANTHROPIC_TYPES = {
    401: "authentication_error", 403: "permission_error", 404: "not_found_error", 408: "timeout_error",
    409: "conflict_error", 413: "request_too_large", 429: "rate_limit_error", 500: "api_error",
    503: "overloaded_error", 529: "overloaded_error",
}  # fmt: skip
GOOGLE_STATUSES = {
    401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 408: "DEADLINE_EXCEEDED", 409: "ABORTED",
    429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 529: "UNAVAILABLE",
}  # fmt: skip


def _openai(status: int) -> Any:
    kind = OPENAI_TYPES.get(status, "invalid_request_error")
    return {"error": {"message": WORDS, "type": kind, "param": None, "code": None}}


def _frame(payload: bytes, **headers: str) -> bytes:
    """One frame of Amazon's event streams: https://smithy.io/2.0/aws/amazon-eventstream.html."""
    lines = b"".join(
        struct.pack("!B", len(name) + 1) + b":" + name.replace("_", "-").encode() + struct.pack("!BH", 7, len(value))
        + value.encode()
        for name, value in headers.items()
    )  # fmt: skip
    prelude = struct.pack("!II", 16 + len(lines) + len(payload), len(lines))
    frame = prelude + struct.pack("!I", zlib.crc32(prelude)) + lines + payload
    return frame + struct.pack("!I", zlib.crc32(frame))


# What a provider of each dialect answers with a status.
BODIES: dict[str, Callable[[int], Any]] = {
    "openai_chat": _openai,
    "openai_completions": _openai,
    "openai_responses": _openai,
    "anthropic_messages": lambda status: {
        "type": "error",
        "error": {"type": ANTHROPIC_TYPES.get(status, "invalid_request_error"), "message": WORDS},
        "request_id": "req_1",
    },
    "gemini": lambda status: {
        "error": {"code": status, "message": WORDS, "status": GOOGLE_STATUSES.get(status, "INVALID_ARGUMENT")}
    },
    "triton": lambda status: {"error": WORDS},
    "bedrock_converse": lambda status: {"message": WORDS},
}
# What it sends inside a stream, and the status that this stands for.
IN_STREAM: dict[str, tuple[int, bytes]] = {
    "openai_chat": (503, b'data: {"error":{"message":"%b","type":"server_error","code":503}}\n\n' % WORDS.encode()),
    "openai_completions": (429, b'data: {"error":{"message":"%b","code":"429"}}\n\n' % WORDS.encode()),
    "openai_responses": (
        429,
        b'event: error\ndata: {"type":"error","code":"rate_limit_exceeded","message":"%b","param":null,'
        b'"sequence_number":2}\n\n' % WORDS.encode(),
    ),
    "anthropic_messages": (
        529,
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"%b"}}\n\n' % WORDS.encode(),
    ),
    "gemini": (
        503,
        b'data: {"error":{"code":503,"message":"%b","status":"UNAVAILABLE"}}\r\n\r\n' % WORDS.encode(),
    ),
    "bedrock_converse": (
        429,
        _frame(
            orjson.dumps({"message": WORDS}),
            exception_type="throttlingException",
            content_type="application/json",
            message_type="exception",
        ),
    ),
    "triton": (500, b"data: " + orjson.dumps({"error": WORDS}) + b"\n\n"),
}


def words_of(dialect: str, document: Any) -> tuple[Any, ...]:
    """What a client of a dialect goes by in an error's body, but for codes, which are the provider's own."""
    if dialect == "bedrock_converse":
        return (document["message"],)
    error = document["error"]
    if dialect == "gemini":
        return error["code"], error["message"], error["status"]
    if dialect == "triton":
        return (error,)
    return error["type"], error["message"]
