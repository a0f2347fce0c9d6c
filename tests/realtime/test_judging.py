from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.core.errors import Blocked, NotAvailable
from gateway.core.exchange import Request
from gateway.core.record import ExchangeRecord
from gateway.core.verdict import Bundle, CallFacts, DetectorSpec, Globs, Match, PatternSpec, RuleSpec, Step, When
from gateway.guards.engine import GuardEngine
from gateway.guards.plan import GuardPlan
from gateway.guards.sessions import Sessions
from gateway.realtime.judging import SessionJudge, check_ready
from tests.guards.handmade import does, engine
from tests.guards.test_plan import FACTS
from tests.support.rooms import guards, rule

SOUND = {"type": "input_audio_buffer.append", "audio": "A" * 400}
REQUEST = Request(
    dialect="openai_realtime", operation="chat", route="/v1/realtime", upstream_path="/realtime", model="m"
)


def plan(*rules: RuleSpec, unscannable: Any = "allow") -> GuardPlan:
    if unscannable == "allow":
        return guards(*rules).plan(CallFacts())
    pattern = PatternSpec(name="P1", expression="osprey", label="OSPREY", max_chars=6)
    bundle = Bundle(
        revision="0123456789ab",
        detectors=(DetectorSpec(name="osprey", use="pattern", patterns=(pattern,)),),
        rules=rules,
        unscannable=unscannable,
    )
    return GuardEngine(bundle).plan(CallFacts())


def judge(*rules: RuleSpec, **options: Any) -> tuple[SessionJudge, ExchangeRecord]:
    record = ExchangeRecord()
    return SessionJudge(plan(*rules, **options), record, REQUEST, Sessions()), record


def ask(judged: SessionJudge, event: dict[str, Any]) -> dict[str, Any]:
    return asyncio.run(judged.ask(event, b"x"))


def test_rules_over_whole_answers_mean_no_session() -> None:
    check_ready(plan(rule("osprey", "redact", "request"), rule("osprey", "redact", "response")))
    check_ready(engine(does("r", "many", "annotate")).plan(FACTS))
    with pytest.raises(NotAvailable, match="as a whole"):
        check_ready(engine(does("r", "many", "block")).plan(FACTS))


def test_sound_counts_as_not_looked_at_where_a_rule_would_look() -> None:
    judged, record = judge(rule("osprey", "block", "request"))
    assert ask(judged, SOUND) is SOUND
    assert record.coverage == 0.0
    judged, record = judge(rule("osprey", "block", "response"))
    assert ask(judged, SOUND) is SOUND
    assert record.coverage == 1.0
    judged.say({"type": "response.output_audio.delta", "delta": "A" * 400}, 500)
    assert record.coverage == 0.0


@pytest.mark.parametrize("direction", ["request", "response"])
def test_sound_may_be_turned_back(direction: Any) -> None:
    judged, record = judge(rule("osprey", "redact", direction), unscannable="block")
    said = {"type": "response.audio.delta", "delta": "A" * 400}
    with pytest.raises(Blocked):
        _ = ask(judged, SOUND) if direction == "request" else judged.say(said, 500)
    assert record.verdict == "block"


def test_a_rule_that_sends_elsewhere_cannot() -> None:
    spec = RuleSpec(
        id="away",
        match=Match(direction=("request",)),
        when=When(op="detector", name="osprey"),
        steps=(Step(action="route", route="other"),),
        mode="enforce",
    )
    judged, _ = judge(spec)
    with pytest.raises(NotAvailable):
        ask(judged, {"type": "response.create", "response": {"instructions": "osprey"}})


def test_results_of_tools_are_told_apart_by_the_call() -> None:
    spec = RuleSpec(
        id="weather-only",
        match=Match(direction=("request",), tool=Globs(include=("weather",))),
        when=When(op="detector", name="osprey"),
        steps=(Step(action="block"),),
        mode="enforce",
    )
    judged, _ = judge(spec)
    for number, name in enumerate(("weather", "news")):
        item = {"type": "function_call", "call_id": f"call_{number}", "name": name, "arguments": "{}"}
        judged.say({"type": "response.output_item.done", "item": item}, 10)
    result = {"type": "function_call_output", "output": "an osprey"}
    event = {"type": "conversation.item.create", "item": {**result, "call_id": "call_1"}}
    assert ask(judged, event) is event
    with pytest.raises(Blocked):
        ask(judged, {"type": "conversation.item.create", "item": {**result, "call_id": "call_0"}})


def test_rules_that_only_observe_whole_answers_see_them() -> None:
    audit = rule("osprey", "block", "response", mode="audit")
    judged, record = judge(audit)
    event = {"type": "response.done", "response": {"id": "r", "output": [{"content": [{"text": "osprey"}]}]}}
    assert judged.say(event, 10) == [event]
    asyncio.run(judged.reflect(event))
    judged.close()
    assert [each.rule for each in record.guard_events] == ["block-osprey"]
    assert record.verdict == "allow"
