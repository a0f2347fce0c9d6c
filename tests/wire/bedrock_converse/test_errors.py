from __future__ import annotations

import orjson
import pytest

from gateway.core.errors import Blocked, Bug, MalformedRequest, ProviderAnswered, StreamBroken, StreamFailed
from gateway.wire.bedrock_converse.errors import error_body, error_frame, error_type, message_of, provider_failure
from tests.support.bedrock_streams import client_events


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "ValidationException"), (401, "AccessDeniedException"), (403, "AccessDeniedException"),
        (404, "ResourceNotFoundException"), (408, "ModelTimeoutException"), (413, "ValidationException"),
        (424, "ModelErrorException"), (429, "ThrottlingException"), (500, "InternalServerException"),
        (502, "InternalServerException"), (503, "ServiceUnavailableException"), (529, "ThrottlingException"),
    ],
)  # fmt: skip
def test_every_status_has_a_type(status: int, kind: str) -> None:
    assert error_type(status) == kind
    body = orjson.loads(error_body(ProviderAnswered("No.", status=status, code="x"), "id"))
    assert body == {"message": "No.", "__type": kind, "reason": "x"}


def test_what_is_said_of_our_own_errors() -> None:
    assert orjson.loads(error_body(Blocked("no-keys"), "id")) == {
        "message": "Blocked by policy rule 'no-keys'.",
        "__type": "ValidationException",
        "reason": "policy_blocked",
    }
    assert orjson.loads(error_body(MalformedRequest("No.", param="messages"), "id"))["param"] == "messages"
    hidden = error_body(Bug("the inside of it"), "exchange-7")
    assert b"inside" not in hidden
    assert b"exchange-7" in hidden


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "validationException"), (429, "throttlingException"), (503, "serviceUnavailableException"),
     (500, "internalServerException"), (501, "internalServerException"), (424, "modelStreamErrorException")],
)  # fmt: skip
def test_errors_at_the_end_of_a_stream(status: int, kind: str) -> None:
    assert client_events(error_frame(StreamFailed("No.", status=status), "id")) == [(kind, {"message": "No."})]


def test_a_cut_stream_is_the_models() -> None:
    ((kind, _),) = client_events(error_frame(StreamBroken("Cut."), "id"))
    assert kind == "modelStreamErrorException"


def test_exceptions_of_the_provider() -> None:
    failure = provider_failure("throttlingException", b'{"message":"Slow."}')
    assert (failure.status, failure.public_message) == (429, "Slow.")
    assert provider_failure("new", b"{").status == 502
    assert message_of({"Message": "a"}) == "a"
    assert message_of([]) == ""
