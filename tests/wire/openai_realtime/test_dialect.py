from __future__ import annotations

from gateway.wire.openai_realtime import DIALECT
from gateway.wire.openai_realtime.dialect import OpenAIRealtime
from tests.support.realtime_script import USAGE


def test_an_answer_says_what_was_used_and_how_it_ended() -> None:
    facts = DIALECT.read_answer({"type": "response.done", "response": {"status": "completed", "usage": USAGE}})
    assert facts.usage is not None
    assert (facts.usage.input_tokens, facts.finish_reason) == (200, "completed")
    assert DIALECT.read_answer({"session": {"model": "m-1"}}).model_served == "m-1"
    assert DIALECT.read_answer([]).usage is None


def test_documents_are_events() -> None:
    event = {"type": "conversation.item.create", "item": {"call_id": "call_1", "output": "sunny"}}
    tools: dict[str, str] = {}
    dialect = OpenAIRealtime(tools)
    tools["call_1"] = "weather"
    assert {each.tool for each in dialect.segments(event) if each.kind == "tool_result"} == {"weather"}
    assert [each.text for each in dialect.answer_segments({"type": "x", "transcript": "hello"})] == ["hello"]
    assert dialect.strip_repeats(event, {("item",)}) is event
