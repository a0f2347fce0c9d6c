from __future__ import annotations

import orjson
import pytest

from gateway.core.errors import (
    AuthenticationFailed,
    Blocked,
    Bug,
    ConnectFailed,
    FirstTokenTimeout,
    GatewayError,
    MalformedRequest,
    NotAvailable,
    RateLimited,
    StreamFailed,
)
from gateway.wire.gemini.errors import error_body, status_name, stream_failure

CASES: list[tuple[GatewayError, int, str]] = [
    (MalformedRequest("no", param="contents"), 400, "INVALID_ARGUMENT"),
    (Blocked("no-keys"), 400, "INVALID_ARGUMENT"),
    (AuthenticationFailed("no"), 401, "UNAUTHENTICATED"),
    (RateLimited("no", retry_after_s=2.5), 429, "RESOURCE_EXHAUSTED"),
    (Bug("secret"), 500, "INTERNAL"),
    (NotAvailable("no"), 501, "UNIMPLEMENTED"),
    (ConnectFailed("no"), 502, "UNAVAILABLE"),
    (FirstTokenTimeout("no"), 504, "DEADLINE_EXCEEDED"),
]


@pytest.mark.parametrize(("error", "code", "status"), CASES, ids=lambda value: type(value).__name__)
def test_errors_have_googles_shape(error: GatewayError, code: int, status: str) -> None:
    shown = orjson.loads(error_body(error, "exchange-1"))["error"]
    assert (shown["code"], shown["status"]) == (code, status)
    assert shown["details"][0] == {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": error.code.upper(), "domain": "weighbridge"
    }  # fmt: skip
    if isinstance(error, Bug):
        assert "secret" not in shown["message"]
        assert "exchange-1" in shown["message"]
    else:
        assert shown["message"] == error.public_message


def test_field_and_waiting_time_are_told_as_google_tells_them() -> None:
    field = orjson.loads(error_body(MalformedRequest("no", param="contents"), ""))["error"]["details"][1]
    assert field["fieldViolations"] == [{"field": "contents", "description": "no"}]
    retry = orjson.loads(error_body(RateLimited("no", retry_after_s=2.5), ""))["error"]["details"][1]
    assert retry["retryDelay"] == "2.5s"


def test_the_providers_own_object_is_passed_on() -> None:
    own = {"code": 429, "message": "Quota.", "status": "RESOURCE_EXHAUSTED", "details": [{"x": 1}]}
    failure = stream_failure(own)
    assert (failure.status, failure.public_message) == (429, "Quota.")
    assert orjson.loads(error_body(failure, "")) == {"error": own}


@pytest.mark.parametrize("odd", [True, "words", {"code": 12, "message": 3}, {"code": 200}])
def test_odd_errors_of_a_stream_are_failures_all_the_same(odd: object) -> None:
    failure = stream_failure(odd)
    assert isinstance(failure, StreamFailed)
    assert failure.status == 502


def test_unknown_statuses_have_names() -> None:
    assert status_name(418) == "INVALID_ARGUMENT"
    assert status_name(599) == "INTERNAL"
