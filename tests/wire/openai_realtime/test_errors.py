from __future__ import annotations

import orjson
from openai.types.realtime import RealtimeErrorEvent

from gateway.core.errors import Blocked, Bug
from gateway.wire.openai_realtime.errors import error_event

ID = "01a21493-599c-7b12-81ca-6dd08a088afa"


def test_the_official_client_reads_an_error() -> None:
    raw = error_event(Blocked("no-keys"), ID, {"type": "response.create", "event_id": "mine"})
    event = RealtimeErrorEvent.model_validate(orjson.loads(raw))
    assert (event.error.code, event.error.type) == ("policy_blocked", "invalid_request_error")
    assert event.error.event_id == "mine"
    assert "no-keys" in event.error.message


def test_a_fault_of_ours_tells_nothing() -> None:
    shown = orjson.loads(error_event(Bug("secret"), ID, None))
    assert "secret" not in str(shown)
    assert ID in shown["error"]["message"]
