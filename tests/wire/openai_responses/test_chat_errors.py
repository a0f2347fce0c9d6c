from __future__ import annotations

from typing import Any

import pytest

from gateway.wire.openai_responses.chat_errors import read_error


@pytest.mark.parametrize(
    ("document", "message", "code", "param"),
    [
        ({"error": {"message": "No.", "code": "bad", "param": "x"}}, "No.", "bad", "x"),
        ({"error": {"message": "No.", "type": "kind", "code": None}}, "No.", "kind", None),
        ({"detail": "No."}, "No.", "upstream_error", None),
        ({"error": "No."}, "No.", "upstream_error", None),
        (None, "The provider answered with status 418.", "upstream_error", None),
    ],
)
def test_errors_in_their_forms(document: Any, message: str, code: str, param: str | None) -> None:
    error = read_error(418, {b"retry-after": b"3"}, document)
    assert (error.public_message, error.status, error.code, error.param) == (message, 418, code, param)
    assert error.retry_after_s == 3
