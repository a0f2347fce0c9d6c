from __future__ import annotations

import pytest

from gateway.config.source import load_yaml
from gateway.config.validation import validated
from gateway.core.verdict import ANY, Globs, Match
from gateway.policy.matching import DIRECTIONS, KINDS, MatchSpec


def spec(text: str) -> MatchSpec:
    checked = validated(MatchSpec, load_yaml(text, "p"))
    assert checked.problems == ()
    assert checked.value
    return checked.value


def problems(text: str) -> list[str]:
    return [problem.message for problem in validated(MatchSpec, load_yaml(text, "p")).problems]


def test_everything_that_can_be_asked_is_compiled():
    match = spec(
        "{direction: response, role: assistant, kind: [text, reasoning], tool: 'mcp:*', route: /v1/*, model: {not: m},"
        " provider: p, key: k, team: [a, b], tag: [env=prod, legal], stream: true, tainted: false}"
    ).compiled()
    assert match == Match(
        direction=("response",),
        role=Globs(include=("assistant",)),
        kind=Globs(include=("text", "reasoning")),
        tool=Globs(include=("mcp:*",)),
        route=Globs(include=("/v1/*",)),
        model=Globs(exclude=("m",)),
        provider=Globs(include=("p",)),
        key=Globs(include=("k",)),
        team=Globs(include=("a", "b")),
        tag=Globs(include=("env=prod", "legal=*")),
        stream=True,
        tainted=False,
    )


def test_nothing_said_is_everywhere():
    assert spec("{}").compiled() == Match()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("request", ("request",)),
        ("{not: request}", ("response",)),
        ("[request, response]", ()),
        ("[response]", ("response",)),
    ],
)
def test_both_directions_are_every_direction(written: str, meant: tuple[str, ...]):
    assert spec(f"direction: {written}").compiled().direction == meant


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("role: robot", "role: no role is called 'robot'; there are system, developer, user, assistant, tool"),
        ("kind: reasonning", "kind: no kind of text is called 'reasonning'; did you mean 'reasoning'?"),
        ("direction: {not: in}", "direction: no direction is called 'in'; there are request, response"),
        ("teem: a", "teem: unknown key; did you mean 'team'?"),
        ("team: 5", "team: should be a text of 1 to 1000 characters, or a list of them (quote numbers)"),
        ("tainted: 1", "tainted: should be true or false"),
    ],
)
def test_what_there_is_none_of_is_said(text: str, said: str):
    assert problems(text) == [said]


def test_the_words_are_those_of_the_segments():
    assert set(DIRECTIONS) == {"request", "response"}
    assert {"text", "reasoning", "tool_argument", "tool_result", "json_key"} <= set(KINDS)
    assert Globs() == ANY
