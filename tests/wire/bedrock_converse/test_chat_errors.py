from __future__ import annotations

from typing import Any

import pytest

from gateway.wire.bedrock_converse.chat_errors import MAX_MESSAGE_CHARS, read_error


@pytest.mark.parametrize(
    ("headers", "document", "code", "message"),
    [
        ({b"x-amzn-errortype": b"ThrottlingException:http://x/"}, {"message": "Slow."}, "ThrottlingException", "Slow."),
        ({}, {"__type": "com.amazon#Oh", "Message": "No."}, "Oh", "No."),
        ({b"x-amzn-errortype": b"a b"}, None, "upstream_error", "The provider answered with status 429."),
        ({}, {"message": "x" * 9000}, "upstream_error", "x" * MAX_MESSAGE_CHARS),
    ],
)
def test_errors(headers: Any, document: Any, code: str, message: str) -> None:
    error = read_error(429, headers, document)
    assert (error.status, error.code, error.public_message, error.retryable) == (429, code, message, True)
