"""Answers that must be JSON of a certain form."""

from __future__ import annotations

import pytest

from gateway.core.errors import Blocked, Misconfigured
from gateway.core.verdict import Bundle, CallFacts, DetectorSpec, Match, RuleSpec, Step, When
from gateway.guards.detectors.json_schema import build
from gateway.guards.engine import GuardEngine
from gateway.plugin.guard import About
from gateway.plugin.testing import check_text
from gateway.wire.openai_chat import DIALECT

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
SPEC = DetectorSpec(name="form", use="json_schema", options={"schema": SCHEMA})
RULE = RuleSpec(
    id="r", match=Match(), when=When(op="detector", name="form"), steps=(Step(action="block"),), mode="enforce"
)
PLAN = GuardEngine(Bundle(revision="0" * 12, detectors=(SPEC,), rules=(RULE,)), lambda: 0).plan(CallFacts())
CASES = [
    ('{"n": 1}', ""),
    (' {"n":1}\n', ""),
    ('{"n": "1"}', "schema/type"),
    ("{}", "schema/required"),
    ('{"n": 1, "n": 2}', "not_json"),
    ("```json\n{}\n```", "not_json"),
    ("", "not_json"),
    ("\ud800", "not_json"),
]


@pytest.mark.parametrize(("text", "kind"), CASES)
def test_an_answer_meets_the_schema_or_is_found(text: str, kind: str) -> None:
    found = build(SPEC).find(text, About("response", "assistant"))
    assert [each.kind for each in found] == [kind] * bool(kind)
    assert [each.end for each in found] == [len(text)] * bool(kind)


def test_it_keeps_the_contract() -> None:
    check_text(build(SPEC), [text for text, _ in CASES])


def test_nesting_is_bounded() -> None:
    recursive = DetectorSpec(name="form", use="json_schema", options={"schema": {"items": {"$ref": "#"}}})
    found = build(recursive).find("[" * 200 + "]" * 200, About("response"))
    assert [each.kind for each in found] == ["too_large"]


def test_only_the_text_of_answers_is_meant() -> None:
    request = {"messages": [{"role": "user", "content": "no JSON"}]}
    assert PLAN.screen_request(DIALECT, request).rule == ""
    message = {"role": "assistant", "content": '{"n": 1}', "reasoning": "no JSON"}
    assert PLAN.screen_answer(DIALECT, {"choices": [{"message": message}]}).rule == ""
    message = {"role": "assistant", "content": "no JSON"}
    assert PLAN.screen_answer(DIALECT, {"choices": [{"message": message}]}).rule == "r"


def test_a_stream_is_held_until_it_is_whole() -> None:
    screen = PLAN.stream_screen()
    assert [screen.feed((0, "text"), piece) for piece in ('{"n"', ": 1}")] == ["", ""]
    assert screen.feed((0, "reasoning"), "no JSON") == "no JSON"
    assert screen.finish((0, "text")) == '{"n": 1}'
    screen = PLAN.stream_screen()
    screen.feed((0, "text"), '{"n": "x"}')
    with pytest.raises(Blocked):
        screen.finish((0, "text"))


def test_a_schema_that_cannot_be_used_is_refused_by_name() -> None:
    with pytest.raises(Misconfigured, match="'form': schema: #/colour"):
        build(DetectorSpec(name="form", use="json_schema", options={"schema": {"colour": 1}}))
