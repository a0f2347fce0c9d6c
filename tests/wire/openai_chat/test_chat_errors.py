from __future__ import annotations

from typing import Any

import pytest

from gateway.wire.openai_chat.chat_errors import MAX_MESSAGE_CHARS, read_error


@pytest.mark.parametrize(
    ("document", "message", "code", "param"),
    [
        (
            {"error": {"message": "too long", "type": "invalid_request_error", "code": "context_length_exceeded",
                       "param": "messages"}},
            "too long", "context_length_exceeded", "messages",
        ),
        ({"error": {"message": "m", "type": "server_error", "code": None, "param": None}}, "m", "server_error", None),
        ({"object": "error", "message": "m", "type": "BadRequestError", "code": 400}, "m", "BadRequestError", None),
        ({"error": "model not found"}, "model not found", "upstream_error", None),
        ({"detail": "Not Found"}, "Not Found", "upstream_error", None),
        ([{"error": {"message": "m"}}], "The provider answered with status 400.", "upstream_error", None),
        (None, "The provider answered with status 400.", "upstream_error", None),
        ("<html>", "<html>", "upstream_error", None),
    ],
)  # fmt: skip
def test_errors_of_many_servers_are_read(document: Any, message: str, code: str, param: str | None) -> None:
    error = read_error(400, {}, document)
    assert (error.public_message, error.code, error.param) == (message, code, param)
    assert error.kind == "invalid_request_error"


def test_when_to_come_back_is_kept() -> None:
    error = read_error(529, {b"retry-after-ms": b"1500"}, {"error": {"message": "busy"}})
    assert (error.status, error.retry_after_s, error.retryable) == (529, 1.5, True)


def test_a_message_is_bounded() -> None:
    assert len(read_error(500, {}, {"error": {"message": "x" * 100_000}}).public_message) == MAX_MESSAGE_CHARS
