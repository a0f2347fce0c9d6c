from __future__ import annotations

from typing import Any

import pytest

from gateway.wire.gemini.chat_errors import MAX_MESSAGE_CHARS, read_error
from tests.support.gemini_streams import failure

TYPE = "type.googleapis.com/google.rpc."


@pytest.mark.parametrize(
    ("status", "name", "retryable"),
    [
        (400, "INVALID_ARGUMENT", False),
        (401, "UNAUTHENTICATED", False),
        (403, "PERMISSION_DENIED", False),
        (404, "NOT_FOUND", False),
        (409, "ABORTED", True),
        (429, "RESOURCE_EXHAUSTED", True),
        (500, "INTERNAL", True),
        (503, "UNAVAILABLE", True),
    ],
)
def test_status_and_words_are_kept(status: int, name: str, retryable: bool) -> None:
    error = read_error(status, {}, failure(status, name, "Its words."))
    assert (error.status, error.code, error.public_message) == (status, name.lower(), "Its words.")
    assert error.retryable is retryable


def test_a_bad_key_is_a_401_to_everybody_else() -> None:
    reason = {"@type": TYPE + "ErrorInfo", "reason": "API_KEY_INVALID"}
    error = read_error(400, {}, failure(400, "INVALID_ARGUMENT", "API key not valid.", reason))
    assert (error.status, error.code, error.kind) == (401, "api_key_invalid", "authentication_error")


def test_the_field_at_fault_and_the_time_to_wait() -> None:
    details = (
        {"@type": TYPE + "BadRequest", "fieldViolations": [{"description": "x"}, {"field": "contents[0].parts"}]},
        {"@type": TYPE + "RetryInfo", "retryDelay": "23.5s"},
        "odd",
    )
    error = read_error(429, {}, failure(429, "RESOURCE_EXHAUSTED", "Slow.", *details))
    assert (error.param, error.retry_after_s) == ("contents[0].parts", 23.5)
    by_header = read_error(429, {b"retry-after": b"7"}, [failure(429, "RESOURCE_EXHAUSTED", "Slow.", *details)])
    assert by_header.retry_after_s == 7
    odd = failure(429, "X", "Slow.", {"@type": TYPE + "RetryInfo", "retryDelay": "soon"})
    assert read_error(429, {}, odd).retry_after_s is None


@pytest.mark.parametrize("document", [None, [], 3, {}, {"error": None}, {"error": {"message": 3}}])
def test_what_is_no_document_of_google_has_its_status(document: Any) -> None:
    error = read_error(502, {}, document)
    assert (error.status, error.public_message) == (502, "The provider answered with status 502.")


def test_long_words_are_cut() -> None:
    assert len(read_error(400, {}, {"error": "x" * 9_000}).public_message) == MAX_MESSAGE_CHARS
