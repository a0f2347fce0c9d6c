"""``when`` of a candidate, as a file has it."""

from __future__ import annotations

import pytest

from gateway.config.route_when import WhenSpec, compiled
from gateway.config.source import load_yaml
from gateway.config.validation import validated
from gateway.core.route_rules import Between, RouteMatch
from gateway.core.verdict import Globs
from tests.config.test_schema import problems_of


def spec(text: str) -> WhenSpec:
    checked = validated(WhenSpec, load_yaml(text, "w"))
    assert checked.problems == ()
    assert checked.value
    return checked.value


def test_everything_that_can_be_asked_is_compiled() -> None:
    written = spec(
        "{stream: true, tainted: false, model: 'gpt-*', route: /v1/*, dialect: openai_chat, key: k, team: [a, b],"
        " tenant: t, session: s-*, tag: [env=prod, legal], verdict: {not: allow}, score: {min: 2.5},"
        " max_output_tokens: {max: 100}, user: u, tools: true, tool: search, media: image, json: false,"
        " input_tokens: {min: 1, max: 2}, chars: {min: 3}, turns: {max: 4}, language: {not: [en, de]}}"
    )
    assert compiled((written,)) == (
        RouteMatch(
            stream=True,
            tainted=False,
            model=Globs(include=("gpt-*",)),
            route=Globs(include=("/v1/*",)),
            dialect=Globs(include=("openai_chat",)),
            key=Globs(include=("k",)),
            team=Globs(include=("a", "b")),
            tenant=Globs(include=("t",)),
            session=Globs(include=("s-*",)),
            tag=Globs(include=("env=prod", "legal=*")),
            verdict=Globs(exclude=("allow",)),
            score=Between(least=2.5),
            max_output_tokens=Between(most=100),
            user=Globs(include=("u",)),
            tools=True,
            tool=Globs(include=("search",)),
            media=Globs(include=("image",)),
            json=False,
            input_tokens=Between(1, 2),
            chars=Between(least=3),
            turns=Between(most=4),
            language=Globs(exclude=("en", "de")),
        ),
    )
    assert compiled(None) == ()


@pytest.mark.parametrize(
    ("when", "problem"),
    [
        ("{}", "asks nothing"),
        ("[]", "should name at least one"),
        ("{colour: red}", "unknown key"),
        ("{teem: a}", "did you mean 'team'?"),
        ("{language: german}", "no language that can be told is called 'german'"),
        ("{media: picture}", "no kind of media is called 'picture'"),
        ("{verdict: block}", "no verdict is called 'block'"),
        ("{input_tokens: 5}", "input_tokens"),
        ("{input_tokens: {}}", "should have min, max, or both"),
        ("{chars: {min: 5, max: 4}}", "min is more than max"),
        ("{turns: {min: -1}}", "greater than or equal to 0"),
        ("[{stream: true}, {tools: maybe}]", "tools"),
    ],
)
def test_what_cannot_be_asked_is_told_with_its_line(when: str, problem: str) -> None:
    found = problems_of("models: [{alias: m, candidates: [{provider: sim, when: " + when + "}]}]")
    assert [each for each in found if each.startswith("w:2: models[0].candidates[0].when") and problem in each], found


def test_one_or_several_are_taken() -> None:
    for when in ("{stream: true}", "[{stream: true}, {team: a}]"):
        assert problems_of("models: [{alias: m, candidates: [{provider: sim, when: " + when + "}]}]") == []
