from __future__ import annotations

from typing import Any

import pytest

from gateway.wire.anthropic_messages.chat_errors import read_error


def test_an_error_is_read_with_its_cause_and_when_to_come_again() -> None:
    details = {"error_code": "spend_limit_reached"}
    body = {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down.", "details": details}}
    error = read_error(429, {b"retry-after": b"7"}, body)
    assert (error.status, error.code, error.public_message) == (429, "spend_limit_reached", "Slow down.")
    assert (error.retry_after_s, error.retryable) == (7, True)


@pytest.mark.parametrize("odd", [None, [], {}, {"error": "words"}, {"error": {"type": 1}}])
def test_odd_bodies_are_errors_too(odd: Any) -> None:
    error = read_error(529, {}, odd)
    assert error.status == 529
    assert error.public_message
