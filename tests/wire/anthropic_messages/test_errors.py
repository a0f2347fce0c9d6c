from __future__ import annotations

import orjson
import pytest

from gateway.core.errors import (
    Blocked,
    Bug,
    GatewayError,
    MalformedRequest,
    ModelNotFound,
    Overloaded,
    RateLimited,
    RequestTooLarge,
    StreamFailed,
)
from gateway.wire.anthropic_messages.errors import STATUSES, error_body, error_event, error_type, provider_failure
from tests.support.message_streams import client_events


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (MalformedRequest("m"), "invalid_request_error", "invalid_request"),
        (Blocked("r"), "invalid_request_error", "policy_blocked"),
        (ModelNotFound("m"), "not_found_error", "model_not_found"),
        (RequestTooLarge("m"), "request_too_large", "request_too_large"),
        (RateLimited("m"), "rate_limit_error", "rate_limited"),
        (Overloaded("m"), "overloaded_error", "upstream_overloaded"),
    ],
)
def test_an_error_in_anthropics_shape(error: GatewayError, kind: str, code: str) -> None:
    assert orjson.loads(error_body(error, "x-1")) == {
        "type": "error",
        "error": {"type": kind, "message": error.public_message, "details": {"error_code": code}},
        "request_id": "x-1",
    }


def test_a_fault_of_ours_says_nothing_of_itself() -> None:
    shown = orjson.loads(error_body(Bug("inner words"), "x-1"))["error"]
    assert "inner words" not in shown["message"]
    assert "x-1" in shown["message"]
    assert shown["type"] == "api_error"


def test_types_and_statuses_agree() -> None:
    for kind, status in STATUSES.items():
        assert error_type(status) == kind
    assert (error_type(422), error_type(502)) == ("invalid_request_error", "api_error")


def test_an_error_of_the_providers_keeps_its_words_and_its_status() -> None:
    failed = provider_failure({"type": "overloaded_error", "message": "Overloaded", "details": None})
    assert (failed.status, failed.public_message) == (529, "Overloaded")
    assert client_events(error_event(failed, "x")) == [
        {
            "type": "error",
            "error": {"type": "overloaded_error", "message": "Overloaded", "details": None},
            "request_id": "x",
        }
    ]


@pytest.mark.parametrize("odd", [None, "words", {}, {"type": 1, "message": 2}, {"type": "new_error"}])
def test_odd_errors_are_errors(odd: object) -> None:
    failed = provider_failure(odd)
    assert isinstance(failed, StreamFailed)
    assert failed.status == 502
    assert failed.public_message
