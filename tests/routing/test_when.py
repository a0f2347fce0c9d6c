"""What a candidate asks of a request."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.core.route_rules import Between, RouteMatch
from gateway.core.verdict import Globs
from gateway.routing.when import Condition, Conditions, asked_facts

USUAL: dict[str, Any] = {
    "stream": False, "tainted": False, "model": "m", "route": "/v1/chat/completions", "dialect": "openai_chat",
    "key": "k", "team": "support", "tenant": "t", "session": "s", "tags": {"tier": "free"}, "verdict": "allow",
    "score": 0.0, "max_output_tokens": None, "user": "u-1", "tools": True, "tool": ("search", "mcp:files"), "media": (),
    "json": False, "input_tokens": 900, "chars": 3000, "turns": 3, "language": "de",
}  # fmt: skip


def facts(**other: Any) -> Any:
    return SimpleNamespace(**USUAL | other)


def only(*values: str) -> Globs:
    return Globs(include=values)


def no(*values: str) -> Globs:
    return Globs(exclude=values)


@pytest.mark.parametrize(
    ("asked", "holds", "fails"),
    [
        ({"stream": False}, {}, {"stream": True}),
        ({"tainted": True}, {"tainted": True}, {}),
        ({"team": only("supp*")}, {}, {"team": "sales"}),
        ({"team": no("sales")}, {}, {"team": "sales"}),
        ({"tag": only("tier=*")}, {}, {"tags": {}}),
        ({"tag": no("tier=free")}, {"tags": {}}, {}),
        ({"tool": only("mcp:*")}, {}, {"tool": ("search",)}),
        ({"tool": no("mcp:*")}, {"tool": ()}, {}),
        ({"media": no("image")}, {}, {"media": ("audio", "image")}),
        ({"media": only("image")}, {"media": ("audio", "image")}, {}),
        ({"tools": True, "json": False}, {}, {"json": True}),
        ({"input_tokens": Between(500, 1000)}, {}, {"input_tokens": 1001}),
        ({"max_output_tokens": Between(most=100)}, {"max_output_tokens": 100}, {"max_output_tokens": None}),
        ({"score": Between(least=3)}, {"score": 3.5}, {}),
        ({"verdict": only("annotate", "edit")}, {"verdict": "edit"}, {}),
        ({"language": no("en")}, {"language": ""}, {"language": "en"}),
        ({"user": only("u-*"), "turns": Between(least=2)}, {}, {"turns": 1}),
    ],
)
def test_a_request_meets_what_is_asked_or_does_not(
    asked: dict[str, Any], holds: dict[str, Any], fails: dict[str, Any]
) -> None:
    condition = Condition((RouteMatch(**asked),))
    assert condition.unmet(facts(**holds)) == ""
    assert condition.unmet(facts(**fails)) in asked


def test_one_of_several_is_enough_and_what_each_misses_is_told() -> None:
    condition = Condition((RouteMatch(team=only("sales")), RouteMatch(stream=True, chars=Between(most=10))))
    assert condition.unmet(facts(team="sales")) == ""
    assert condition.unmet(facts(stream=True, chars=5)) == ""
    assert condition.unmet(facts()) == "team, stream"
    assert condition.unmet(facts(stream=True)) == "team, chars"


def test_what_costs_much_to_find_out_is_not_asked_when_something_else_decides() -> None:
    condition = Condition((RouteMatch(language=only("de"), team=only("sales")),))
    known = facts()
    del known.language
    assert condition.unmet(known) == "team"


def test_places_without_a_condition_are_for_everything() -> None:
    conditions = Conditions(((RouteMatch(stream=True),), (), (RouteMatch(score=Between(least=1)),)))
    assert conditions.unmet(facts()) == {0: "stream", 2: "score"}
    assert conditions.asks_verdict
    assert not Conditions(((RouteMatch(stream=True),), ())).asks_verdict
    assert Conditions(()).unmet(facts()) == {}


def test_only_the_facts_that_somebody_asks_for_are_named() -> None:
    whens = ((RouteMatch(stream=True), RouteMatch(tag=only("a=*"))), (RouteMatch(chars=Between(least=1)),))
    assert asked_facts(whens) == ("stream", "tags", "chars")
