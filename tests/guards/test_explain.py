"""A verdict explained: what each detector found and took, which rules fired, and why the others did not."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from gateway.core.explanation import Explanation, RuleShown, SegmentShown
from gateway.core.verdict import Exclusion, Globs, Match, Step, Thresholds
from gateway.guards.explain import explain
from gateway.wire.openai_chat import DIALECT
from tests.guards.handmade import BIRDS, MAILS, does, engine, named
from tests.guards.test_plan import FACTS, answered, say

USER = Match(role=Globs(include=("user",)))


def explained(document: Any, *rules: Any, direction: Any = "request", **more: Any) -> Explanation:
    return asyncio.run(explain(engine(*rules, **more), FACTS, direction, DIALECT, document))


def segment(explanation: Explanation, path: str) -> SegmentShown:
    return next(each for each in explanation.segments if each.path == path)


def rules(shown: tuple[RuleShown, ...]) -> dict[str, tuple[bool, str]]:
    return {each.id: (each.fired, each.why_not) for each in shown}


def test_every_text_shows_its_detectors_with_their_time_and_findings() -> None:
    made = explained(
        say("an osprey in <nest>", "HEY!"),
        does("b", "birds|brackets|shouting", "redact"),
        kinds=(BIRDS, named("brackets"), named("shouting", min_score=0.5)),
    )
    first = segment(made, "messages[0].content")
    found = {each.name: [(f.kind, f.start, f.end, f.counted) for f in each.findings] for each in first.detectors}
    assert found == {"birds": [("OSPREY", 3, 9, True)], "brackets": [("bracket", 13, 19, True)], "shouting": []}
    assert {each.name: each.form for each in first.detectors} == {
        "birds": "pattern", "brackets": "piece", "shouting": "text",
    }  # fmt: skip
    assert all(each.microseconds > 0 for each in first.detectors)
    second = segment(made, "messages[1].content").detectors[-1]
    assert [(f.kind, f.score, f.counted) for f in second.findings] == [("mark", 0.4, False), ("capitals", 0.9, True)]
    assert (made.action, made.rule, made.revision) == ("redact", "", "0123456789ab")


def test_rules_say_why_they_do_not_hold() -> None:
    out = Exclusion(id="ex", match=Match(), detector="birds")
    made = explained(
        say("an osprey", role="tool"),
        does("fires", "birds", "redact"),
        does("role", "birds", "redact", match=USER),
        does("kind", "birds", "redact", match=Match(kind=Globs(include=("url",)))),
        does("tool", "birds", "redact", match=Match(tool=Globs(include=("mail",)))),
        does("when", "mails", "redact"),
        does("excluded", "birds", "redact", exclusions=(out,)),
        does("direction", "birds", "redact", match=Match(direction=("response",))),
        does("team", "birds", "redact", match=Match(team=Globs(include=("other",)))),
    )
    text = segment(made, "messages[0].content")
    assert rules(text.rules) == {
        "fires": (True, ""), "role": (False, "role"), "kind": (False, "kind"), "tool": (False, "tool"),
        "when": (False, "when"), "excluded": (False, "excluded"),
    }  # fmt: skip
    assert next(each for each in text.rules if each.id == "excluded").excluded_by == ("ex",)
    assert rules(made.unmatched) == {"direction": (False, "direction"), "team": (False, "team")}


def test_judges_of_the_whole_and_those_outside_are_shown_too() -> None:
    made = explained(
        say(*"abcdef", "poison"),
        does("m", "many", "block"),
        does("o", "oracle", "redact"),
        does("late", "oracle2", "redact", mode="audit"),
        kinds=(named("many"), named("oracle"), named("oracle2", "oracle")),
    )
    assert {each.name: (each.form, [f.kind for f in each.findings]) for each in made.detectors} == {
        "many": ("call", ["many"]), "oracle": ("outside", ["poison"]),
    }  # fmt: skip
    assert rules(made.rules) == {"m": (True, ""), "o": (True, ""), "late": (True, "")}
    assert (made.action, made.rule) == ("block", "m")


def test_failures_and_points_are_told() -> None:
    made = explained(
        say("x a@b.example"),
        does("b", "broken", "redact", mode="audit"),
        does("s", "mails", Step(action="score", score=2)),
        kinds=(named("broken"), MAILS),
        request_scoring=Thresholds(annotate=2, block=9),
    )
    broken = next(each for each in segment(made, "messages[0].content").detectors if each.name == "broken")
    assert (broken.error, broken.on_error) == ("ValueError", "block")
    assert (made.score, made.annotate_at, made.block_at, made.action) == (2, 2, 9, "score")
    steps = {each.id: each.steps for each in segment(made, "messages[0].content").rules}
    assert steps["s"] == ("score 2",)


def test_an_answer_is_explained_as_well_and_no_text_is_shown() -> None:
    document = answered("an osprey", tool_calls=[{"function": {"name": "mail", "arguments": '{"a":"osprey \\n"}'}}])
    made = explained(document, does("b", "birds", "redact", mode="shadow"), direction="response")
    assert [each.path for each in made.segments if each.rules and each.rules[0].fired] == [
        "choices[0].message.content", "choices[0].message.tool_calls[0].function.arguments",
    ]  # fmt: skip
    assert (made.action, made.segments[0].rules[0].acts) == ("allow", False)
    assert b"osprey" not in msgspec.json.encode(made)
