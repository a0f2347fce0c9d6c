"""Plans: which rules are judged when, and what comes of every action, over whole requests and answers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.clients import hyperscan
from gateway.core.errors import Blocked
from gateway.core.record import GuardEvent
from gateway.core.verdict import (
    CallFacts,
    Canary,
    Exclusion,
    Globs,
    Match,
    Screened,
    Step,
    Thresholds,
)
from gateway.guards.plan import GuardPlan
from gateway.guards.vault import PLACEHOLDER
from gateway.wire.openai_chat import DIALECT
from tests.guards.handmade import BIRDS, KINDS, MAILS, Shouting, does, engine, named, unavailable

FACTS = CallFacts(route="/v1/chat/completions", model="m", provider="p", key="k1", team="t", tenant="acme")


def say(*texts: str, role: str = "user", **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": role, "content": text} for text in texts], **more}


def answered(text: str, **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text, **more}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


def plan(*rules: Any, facts: CallFacts = FACTS, **more: Any) -> GuardPlan:
    return engine(*rules, **more).plan(facts)


def request(made: GuardPlan, document: Any) -> Screened:
    return made.screen_request(DIALECT, document)


def ids(events: list[GuardEvent]) -> list[tuple[str, str, str]]:
    return [(event.rule, event.detector, event.mode) for event in events]


# --- detectors of every form


def test_findings_of_every_form_are_edited_in_one_text() -> None:
    made = plan(does("b", "birds", "redact"), does("br", "brackets", Step(action="rewrite", rewrite="text_only")))
    screened = request(made, say("an osprey in <nest> !"))
    assert screened.document["messages"][0]["content"] == "an [BIRD] in nest !"
    assert ids(screened.events) == [("b", "birds/OSPREY", "enforce"), ("br", "brackets/bracket", "enforce")]


def test_a_text_detector_is_told_what_it_reads() -> None:
    made = engine(does("s", "shouting", "annotate"))
    document = say("HI")
    document["messages"].append({
        "role": "assistant",
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "mail", "arguments": '{"a":"x"}'}}],
    })  # fmt: skip
    document["messages"].append({"role": "tool", "tool_call_id": "c1", "content": "sent"})
    screened = request(made.plan(FACTS), document)
    (runner,) = made.kit.runners
    detector: Any = runner._detector
    assert isinstance(detector, Shouting)
    seen = {text: (about.role, about.kind, about.tool) for text, about in detector.seen}
    assert seen["HI"] == ("user", "text", "")
    assert seen["sent"] == ("tool", "tool_result", "mail")
    assert seen["x"] == ("assistant", "tool_argument", "mail")
    assert [(e.detector, e.score, e.start, e.end) for e in screened.events] == [("shouting/capitals", 0.9, 0, 0)]


def test_findings_below_min_score_do_not_count() -> None:
    kinds = (named("shouting", min_score=0.5),)
    screened = request(plan(does("s", "shouting", "block"), kinds=kinds), say("hey!"))
    assert (screened.action, screened.events) == ("allow", [])


def test_a_call_detector_is_judged_once_over_the_texts_that_its_rule_admits() -> None:
    made = plan(does("m", "many", "block", match=Match(direction=("request",))))
    assert request(made, say("a", "b")).rule == ""
    screened = request(made, say(*"abcdef"))
    assert (screened.rule, len(screened.events)) == ("m", 1)


def test_a_rule_over_the_whole_sees_texts_that_its_match_admits() -> None:
    made = plan(does("m", "many&birds", "block", match=Match(role=Globs(include=("user",)))))
    assert request(made, say(*"abcdef", "osprey", role="assistant")).rule == ""
    assert request(made, say(*"abcdef", "osprey")).rule == "m"
    assert request(made, say("osprey")).rule == ""


def test_a_rewrite_takes_out_what_a_call_detector_names() -> None:
    made = plan(does("t", "many", Step(action="rewrite", rewrite="remove")))
    tools = [{"type": "function", "function": {"name": name}} for name in ("ls", "rm")]
    screened = request(made, say("x", tools=tools))
    assert screened.document["tools"] == tools[:1]
    assert (screened.edited, screened.action) == (True, "rewrite")
    alone = request(made, say("x", tools=tools[1:]))
    assert "tools" not in alone.document


def test_outside_detectors_are_asked_about_admitted_texts_and_their_findings_edited() -> None:
    async def test() -> None:
        guards = engine(does("o", "oracle", "redact", match=Match(role=Globs(include=("user",)))))
        made = guards.plan(FACTS)
        document = say("poison here") | {"user": "poison"}
        opinions = await made.ask("request", DIALECT, document)
        screened = made.screen_request(DIALECT, document, opinions=opinions)
        oracle: Any = guards.kit.askers["oracle"].detector
        assert oracle.asked == [["poison here"]]
        assert screened.document["messages"][0]["content"] == "[poison] here"
        assert screened.document["user"] == "poison"
        await guards.close()
        assert oracle.closed

    asyncio.run(test())


def test_outside_detectors_of_rules_that_observe_are_asked_beside_the_call() -> None:
    async def test() -> None:
        made = plan(does("o", "oracle", "block", mode="audit"))
        assert (made.request_asks, made.observes, made.gathers) == (False, True, "watch")
        assert request(made, say("poison")).events == []
        observed = await made.observe("request", DIALECT, say("poison"))
        assert ids(observed.events) == [("o", "oracle/poison", "audit")]
        assert (observed.rule, observed.action) == ("", "allow")

    asyncio.run(test())


@pytest.mark.parametrize(
    ("on_error", "action", "rule"),
    [("block", "block", "on_error:oracle"), ("annotate", "annotate", ""), ("allow", "allow", "")],
)
def test_an_outside_detector_that_cannot_judge(on_error: Any, action: str, rule: str) -> None:
    async def test() -> None:
        kinds = (named("oracle", options={"answer": unavailable}, on_error=on_error),)
        made = plan(does("o", "oracle", "redact"), kinds=kinds)
        opinions = await made.ask("request", DIALECT, say("hi"))
        screened = made.screen_request(DIALECT, say("hi"), opinions=opinions)
        assert (screened.action, screened.rule) == (action, rule)
        assert [event.rule for event in screened.events] == ["on_error:oracle"]
        assert screened.coverage < 1.0

    asyncio.run(test())


def test_an_outside_detector_has_a_time_limit() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    async def test() -> None:
        kinds = (named("oracle", options={"answer": forever}, timeout_s=0.01),)
        made = plan(does("o", "oracle", "redact"), kinds=kinds)
        opinions = await made.ask("request", DIALECT, say("hi"))
        assert opinions.failed == {"oracle": "timeout"}

    asyncio.run(test())


def test_a_detector_that_breaks_counts_as_one_that_cannot_judge_and_quotes_nothing() -> None:
    made = plan(does("b", "broken", "redact"), kinds=(named("broken"),))
    screened = request(made, say("secret words"))
    assert (screened.action, screened.rule, screened.coverage) == ("block", "on_error:broken", 0.0)
    assert "secret" not in repr(screened.events)
    audited = plan(does("b", "broken", "redact", mode="audit"), kinds=(named("broken"),))
    screened = request(audited, say("x"))
    assert (screened.action, screened.events[0].mode) == ("allow", "audit")


def test_a_text_too_long_for_a_text_detector_is_its_error() -> None:
    made = plan(does("s", "shouting|birds", "redact"), max_chars=10)
    screened = request(made, say("x" * 11, "ok", "ok", "ok"))
    assert (screened.rule, screened.coverage) == ("on_error:shouting", 0.75)
    assert request(made, say("x" * 10)).action == "allow"


def test_a_body_that_nobody_can_read_is_as_the_policy_says() -> None:
    assert plan(does("b", "birds", "block")).screen_opaque("request").rule == ""
    blocking = plan(does("b", "birds", "block"), unscannable="block")
    assert blocking.screen_opaque("request").rule == "unscannable"
    observing = plan(does("b", "birds", "block", mode="audit"), unscannable="block")
    assert observing.screen_opaque("request").action == "allow"


# --- actions


def test_steps_are_all_taken() -> None:
    steps = (Step(action="route", route="pool"), Step(action="score", score=2), Step(action="taint", taint="session"))
    screened = request(plan(does("r", "birds", *steps)), say("osprey"))
    assert (screened.action, screened.route, screened.taint, screened.score) == ("route", "pool", True, 2)
    shadowed = request(plan(does("r", "birds", *steps, mode="shadow")), say("osprey"))
    assert (shadowed.action, shadowed.route, shadowed.taint, shadowed.score) == ("allow", "", False, 0)
    assert [event.mode for event in shadowed.events] == ["shadow"]


def test_points_add_up_to_annotate_and_to_block() -> None:
    scoring: dict[str, Any] = {"request_scoring": Thresholds(annotate=3, block=5)}
    rules = (does("a", "birds", Step(action="score", score=2)), does("b", "mails", Step(action="score", score=1)))
    made = plan(*rules, **scoring)
    assert request(made, say("osprey osprey")).score == 2, "once for a text"
    both = request(made, say("osprey a@b.example"))
    assert (both.action, both.score, both.rule) == ("score", 3, "")
    assert ("scoring:request", "", "enforce") in ids(both.events)
    blocked = request(made, say("osprey", "osprey", "a@b.example"))
    assert (blocked.action, blocked.rule, blocked.score) == ("block", "scoring:request", 5)


def test_points_of_rules_in_shadow_say_what_they_would_have_done() -> None:
    scoring: dict[str, Any] = {"request_scoring": Thresholds(block=3)}
    rules = (
        does("a", "birds", Step(action="score", score=2)),
        does("b", "mails", Step(action="score", score=2), mode="shadow"),
        does("c", "brackets", Step(action="score", score=9), mode="audit"),
    )
    screened = request(plan(*rules, **scoring), say("osprey a@b.example <x>"))
    assert (screened.rule, screened.score) == ("", 2)
    assert [event.mode for event in screened.events if event.rule == "scoring:request"] == ["shadow"]


def test_a_mask_is_typed_stable_and_told_to_nobody_but_its_call() -> None:
    made = plan(does("m", "mails", Step(action="mask", restore_in=("assistant_text",))))
    screened = request(made, say("a@b.example and c@d.example", "again a@b.example"))
    first, second = (message["content"] for message in screened.document["messages"])
    one, two = PLACEHOLDER.findall(first)
    assert first == f"{one} and {two}"
    assert second == f"again {one}"
    assert {name: masked.value for name, masked in screened.masks.items()} == {one: "a@b.example", two: "c@d.example"}
    assert screened.masks[one].restore_in == ("assistant_text",)
    assert "b.example" not in repr(screened.events)


def test_look_alikes_of_placeholders_are_made_harmless_in_what_the_assistant_did_not_say() -> None:
    made = plan(does("m", "mails", "mask"))
    document = say("see [EMAIL_1:abcd]", role="tool")
    document["messages"].append({"role": "assistant", "content": "see [EMAIL_1:abcd]"})
    screened = request(made, document)
    assert [message["content"] for message in screened.document["messages"]] == [
        "see (EMAIL_1:abcd)", "see [EMAIL_1:abcd]",
    ]  # fmt: skip
    assert ids(screened.events) == [("m", "placeholder", "enforce")]
    assert request(plan(does("m", "mails", "redact")), document).edited is False


# --- who, where and how seriously


def test_a_canary_acts_for_a_share_that_stays_the_same() -> None:
    guards = engine(does("b", "birds", "block", mode="canary", canary=Canary(share=0.3, sticky_by="key")))
    verdicts = {
        key: request(guards.plan(replace(FACTS, key=key)), say("osprey")).action
        for key in (f"key-{n}" for n in range(300))
    }
    share = sum(action == "block" for action in verdicts.values()) / 300
    assert 0.2 < share < 0.4
    again = engine(does("b", "birds", "block", mode="canary", canary=Canary(share=0.3, sticky_by="key")))
    assert all(request(again.plan(replace(FACTS, key=key)), say("osprey")).action == verdicts[key] for key in verdicts)
    assert len(guards._plans) == 2
    event = request(guards.plan(replace(FACTS, key="key-1")), say("osprey")).events[0]
    assert event.mode in ("canary", "audit")


def test_strictness_makes_every_rule_act() -> None:
    for mode in ("audit", "shadow", "canary"):
        guards = engine(does("b", "birds", "block", mode=mode, canary=Canary(share=0.0)))
        assert request(guards.plan(FACTS), say("osprey")).action == "allow"
        strict = request(guards.plan(replace(FACTS, strict=True)), say("osprey"))
        assert (strict.action, strict.events[0].mode) == ("block", "enforce")


@pytest.mark.parametrize(
    ("match", "facts", "fits"),
    [
        (Match(key=Globs(include=("k*",))), {}, True),
        (Match(key=Globs(exclude=("k1",))), {}, False),
        (Match(tag=Globs(include=("env=prod",))), {"tags": {"env": "prod", "x": "y"}}, True),
        (Match(tag=Globs(include=("env=prod",))), {"tags": {"env": "dev"}}, False),
        (Match(tag=Globs(exclude=("env=dev",))), {"tags": {"env": "dev"}}, False),
        (Match(stream=True), {"stream": True}, True),
        (Match(stream=True), {}, False),
        (Match(tainted=True), {"tainted": True}, True),
        (Match(tainted=False), {"tainted": True}, False),
    ],
)
def test_a_match_asks_for_what_a_call_is(match: Match, facts: dict[str, Any], *, fits: bool) -> None:
    made = engine(does("b", "birds", "block", match=match)).plan(replace(FACTS, **facts))
    assert made.request_active is fits


def test_a_match_by_tool_and_kind_sees_those_texts_alone() -> None:
    match = Match(kind=Globs(include=("tool_argument",)), tool=Globs(include=("mail*",)))
    made = plan(does("b", "birds", "redact", match=match))

    def call(name: str) -> dict[str, Any]:
        return {"id": "1", "type": "function", "function": {"name": name, "arguments": '{"to":"osprey"}'}}

    document = answered("osprey", tool_calls=[call("mail_send"), call("other")])
    screened = made.screen_answer(DIALECT, document)
    message = screened.document["choices"][0]["message"]
    assert message["content"] == "osprey"
    assert [each["function"]["arguments"] for each in message["tool_calls"]] == ['{"to":"[BIRD]"}', '{"to":"osprey"}']


def test_exclusions_take_findings_by_detector_field_and_match() -> None:
    out = Exclusion(id="x", match=Match(), detector="birds", field="messages[*].content")
    made = plan(does("r", "birds|mails", "redact", exclusions=(out,)))
    screened = request(made, say("osprey a@b.example") | {"user": "osprey"})
    assert screened.document["messages"][0]["content"] == "osprey [EMAIL]"
    assert screened.document["user"] == "[BIRD]"
    elsewhere = Exclusion(id="x", match=Match(role=Globs(include=("tool",))))
    made = plan(does("r", "birds", "redact", exclusions=(elsewhere,)))
    assert request(made, say("osprey")).edited
    assert not request(made, say("osprey", role="tool")).edited


def test_exclusions_expire() -> None:
    now = [1_000]
    out = Exclusion(id="x", match=Match(), expires_unix_s=2)
    guards = engine(does("r", "birds", "redact", exclusions=(out,)), unix_ms=lambda: now[0])
    assert not request(guards.plan(FACTS), say("osprey")).edited
    now[0] = 1_999
    assert not request(guards.plan(FACTS), say("osprey")).edited
    now[0] = 2_000
    assert request(guards.plan(FACTS), say("osprey")).edited


def test_other_kinds_are_not_asked_where_no_rule_wants_them() -> None:
    made = engine(does("b", "birds", "redact"), kinds=KINDS)
    assert made.kit.runners == ()
    assert made.kit.askers == {}
    assert [spec.name for spec in made.kit.specs] == [BIRDS.name]
    assert MAILS.name not in made.kit.forms


def test_a_text_made_of_candidates_is_not_judged_and_fails_as_the_policy_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hyperscan, "MAX_FOUND", 100)
    made = plan(does("b", "birds", "redact"))
    assert request(made, say("osprey " * 99)).rule == ""
    screened = request(made, say("osprey " * 100))
    assert (screened.rule, screened.coverage) == ("on_error:birds", 0.0)
    stream = made.stream_screen()
    with pytest.raises(Blocked):
        stream.feed((0, "text"), "osprey " * 200)


def test_what_has_passed_the_rules_of_requests_is_left_to_those_of_answers():
    both = plan(does("in", "birds", "block", match=Match(direction=("request",))),
                does("out", "birds", "redact", match=Match(direction=("response",))))  # fmt: skip
    rest = both.of_answers()
    assert (both.request_active, rest.request_active, rest.response_active) == (True, False, True)
    assert rest is both.of_answers()
    assert rest.of_answers() is rest
    assert rest.revision == both.revision


@pytest.mark.parametrize(("expression", "steady"), [("birds", True), ("birds|shouting", False), ("many", False)])
def test_patterns_alone_say_the_same_of_a_text_each_time(expression: str, steady: bool) -> None:
    assert plan(does("r", expression, "annotate")).steady is steady
