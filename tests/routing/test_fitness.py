"""Who of the candidates may have a request at all."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

import msgspec

from gateway.core.errors import UnsupportedField
from gateway.core.exchange import Deployment, RoutePlan, RoutePolicy
from gateway.core.route_rules import Between, RouteMatch, Split
from gateway.core.verdict import Globs
from gateway.routing.fitness import Fitness

LONG = (RouteMatch(input_tokens=Between(least=1000)),)
SPLIT = Split(name="x", arms=(("a", 0.5), ("b", 0.5)), sticky_by="user")


def plan(number: int, split: Split | None = None, **more: Any) -> RoutePlan:
    one = Deployment(provider="p", kind="openai", model="m", base_url="http://p", credential=b"")
    return RoutePlan(alias="m", candidates=(one,) * number, main=number, policy=RoutePolicy(split=split), **more)


def facts(**known: Any) -> Any:
    return SimpleNamespace(
        **{"input_tokens": 10, "team": "t", "tags": {}, "user": "u", "dialect": "openai_chat", "most_tokens": 0} | known
    )


def test_an_alias_without_conditions_asks_nothing() -> None:
    fitness = Fitness(plan(2))
    assert (fitness.asks, fitness.asks_verdict) == (False, False)
    assert fitness.of(facts(), Random()).barred == frozenset()


def test_who_is_for_others_is_barred_and_says_why() -> None:
    fit = Fitness(plan(3, whens=((), LONG, ()))).of(facts(), Random())
    assert (fit.barred, fit.whys, fit.error) == ({1}, {1: "input_tokens"}, None)


def test_where_nobody_is_for_it_the_client_is_told_what_was_asked() -> None:
    team = (RouteMatch(team=Globs(include=("x",))), *LONG)
    fit = Fitness(plan(2, whens=(team, LONG))).of(facts(), Random())
    assert isinstance(fit.error, UnsupportedField)
    assert fit.error.public_message.endswith("for a request like this one: team, input_tokens.")
    # The caller's own values are not repeated to it, and the rules' are nobody's business.
    assert "1000" not in fit.error.public_message


def test_an_arm_spares_the_others_but_none_that_is_of_no_arm() -> None:
    fitness = Fitness(plan(4, SPLIT, arms=("a", "b", "a", "")))
    fit = fitness.of(facts(), Random(), "a")
    assert (fit.split, fit.arm, fit.spared, fit.barred) == ("x", "a", {1}, frozenset())
    assert fitness.of(facts(), Random(), "b").spared == {0, 2}
    assert fitness.of(facts(), Random()).arm == fitness.of(facts(), Random()).arm


def test_who_has_no_way_from_a_dialect_is_barred_before_a_try():
    claude = Deployment(provider="c", kind="anthropic", model="m", base_url="http://c", credential=b"")
    mixed = msgspec.structs.replace(plan(2), candidates=(claude, plan(1).candidates[0]))
    fitness = Fitness(mixed)
    assert (fitness.closed("openai_embeddings"), fitness.closed("openai_chat")) == ({0}, frozenset())
    assert (fitness.first("openai_embeddings"), fitness.first("anthropic_messages")) == (1, 0)
    assert fitness.of(facts(dialect="openai_embeddings"), Random()).barred == {0}
    nobody = Fitness(msgspec.structs.replace(mixed, candidates=(claude, claude)))
    error = nobody.of(facts(dialect="openai_embeddings"), Random()).error
    assert error is not None
    assert "does not take calls of this form" in error.public_message
    assert nobody.first("openai_embeddings") == 0


def windowed(*windows: int, whens: Any = ()) -> Fitness:
    one = plan(1).candidates[0]
    candidates = tuple(msgspec.structs.replace(one, context_window=each) for each in windows)
    return Fitness(msgspec.structs.replace(plan(len(windows), whens=whens), candidates=candidates))


def test_who_has_no_room_for_request_and_answer_is_barred_and_says_why() -> None:
    fitness = windowed(8_000, 0, 100_000)
    assert fitness.window == 8_000
    fit = fitness.of(facts(most_tokens=20_000, tokens_needed=9_000), Random())
    assert (fit.barred, fit.error) == ({0}, None)
    assert fit.whys == {0: "too long: some 9000 tokens with the answer, 8000 of context"}
    # What is not read is not known: it fits where it could not be too long.
    assert fitness.of(facts(most_tokens=8_000), Random()).barred == frozenset()
    assert fitness.of(facts(most_tokens=20_000, tokens_needed=8_000), Random()).barred == frozenset()
    # Who has a window that nobody knows is asked.
    assert fitness.of(facts(most_tokens=2**62, tokens_needed=200_000), Random()).barred == {0, 2}


def test_where_it_is_too_long_for_all_those_with_the_largest_window_say_so() -> None:
    needs = facts(most_tokens=300_000, tokens_needed=200_000)
    assert windowed(8_000, 100_000, 100_000).of(needs, Random()).barred == {0}
    # Of those that are left: another condition still bars.
    fit = windowed(8_000, 100_000, 9_000, whens=((), LONG, ())).of(
        facts(input_tokens=10, most_tokens=300_000, tokens_needed=200_000), Random()
    )
    assert (fit.barred, fit.error) == ({0, 1}, None)
    assert windowed(0, 0).window == 0
