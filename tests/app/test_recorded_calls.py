from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.app.recorded_calls import TOLD, NotAgain, began, call_of, line_of
from tests.support.recorded import event, line


def test_a_line_becomes_a_call_with_its_facts_documents_and_events():
    data = line(
        "hello", "good day", stream=True, team="support", tenant="t", key_id="k", session_id="s", tags={"a": "b"},
        provider="p", policy_revision="0123456789ab", guard_events=[event("r"), event("x", mode="audit")],
    )  # fmt: skip
    call = call_of(line_of(data))
    facts = call.facts
    assert (facts.team, facts.tenant, facts.key, facts.session, facts.tags) == ("support", "t", "k", "s", {"a": "b"})
    assert (facts.provider, facts.model, facts.stream) == ("p", "m", True)
    assert call.request["messages"][0]["content"] == "hello"
    assert call.answer["choices"][0]["message"]["content"] == "good day"
    assert (call.streamed, call.whole, call.told, call.dialect.name) == (True, True, True, "openai_chat")
    assert [each.rule for each in call.edits] == ["r"]


def test_bodies_may_stand_apart_and_the_time_may_be_written_out():
    known = orjson.loads(line("hello", "good day"))
    bodies = {name: known.pop(name) for name in ("request_body", "response_body")}
    del known["started_us"]
    del known["capture"]
    bodies["capture"] = "full"
    written = line_of(orjson.dumps(known | {"bodies": bodies, "started_at": "2026-09-21 14:13:20.500000"}))
    assert call_of(written).whole
    assert call_of(written).answer["choices"][0]["message"]["content"] == "good day"
    assert began(written) == 1_790_000_000.5


def test_an_answer_that_is_an_error_is_no_stream():
    assert not call_of(line_of(line("a", "b", stream=True, status=500))).streamed


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"request_body": None, "response_body": None}, "no_body"),
        ({"request_body": None}, "no_body"),
        ({"request_body": None, "response_body": None, "verdict": "block"}, "blocked"),
        ({"verdict": "block", "capture": "redacted"}, "blocked"),
        ({"request_body": '{"model": "m", "mess'}, "cut"),
        ({"response_body": "plain text"}, "unreadable"),
        ({"tags": {"weighbridge": "mirror"}}, "copy"),
        ({"attempts": [{"kind": "first"}, {"kind": "continue"}]}, "continued"),
        ({"verdict": "edit", "capture": "redacted", "guard_events": None}, "redacted"),
        ({"id": ""}, "unreadable"),
    ],
)
def test_what_cannot_be_judged_again_says_why(changes: dict[str, Any], why: str):
    with pytest.raises(NotAgain) as unable:
        call_of(line_of(line("a", "b", **changes)))
    assert (unable.value.why, str(unable.value)) == (why, TOLD[unable.value.why])


def test_a_line_that_is_none_is_unreadable():
    for data in (b"{", b"[]", b'{"id": 7}', b"hello"):
        with pytest.raises(NotAgain) as unable:
            line_of(data)
        assert unable.value.why == "unreadable"
