from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.core.errors import IdleTimeout, StreamFailed
from gateway.wire.openai_responses.errors import error_event, failure_of, status_of
from tests.support.response_streams import documents


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"code": "rate_limit_exceeded"}, 429),
        ({"code": "server_error", "type": "invalid_request_error"}, 500),
        ({"type": "invalid_request_error", "code": "brand_new"}, 400),
        ({"code": "invalid_image_url"}, 400),
        ({"type": "brand_new"}, 502),
        ({}, 502),
    ],
)
def test_what_an_error_stands_for(error: dict[str, Any], status: int) -> None:
    assert status_of(error) == status


def test_the_providers_words_are_kept() -> None:
    failure = failure_of({"type": "error", "code": "invalid_prompt", "message": "No.", "param": "input"})
    assert (failure.status, failure.public_message) == (400, "No.")
    assert failure.detail is not None
    assert orjson.loads(failure.detail) == {
        "message": "No.", "type": "invalid_request_error", "param": "input", "code": "invalid_prompt"
    }  # fmt: skip
    assert failure_of({"error": "words"}).public_message == "words"
    assert failure_of({"error": {"code": 404, "message": "x"}}).status == 404


def test_the_event_is_numbered_and_says_it_where_clients_look() -> None:
    error = IdleTimeout("The provider fell silent.")
    error.event_number = 7
    [event] = documents(error_event(error, "id"))
    assert (event["type"], event["sequence_number"], event["code"]) == ("error", 7, "upstream_timeout")
    assert event["message"] == event["error"]["message"] == "The provider fell silent."
    [event] = documents(error_event(StreamFailed("x", detail=b'{"message":"y","code":"z"}'), "id"))
    assert (event["message"], event["code"], event["error"]) == ("y", "z", {"message": "y", "code": "z"})
