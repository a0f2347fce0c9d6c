"""The key by which plans are remembered holds what rules ask, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from gateway.core.verdict import CallFacts, Canary, Exclusion, Globs, Match
from gateway.guards.facets import Facets
from tests.guards.handmade import does

FACTS = CallFacts(route="/r", model="m", provider="p", key="k", team="t", session="s", tags={"a": "b"})
SOME = Globs(include=("x*",))


@pytest.mark.parametrize(
    ("match", "change"),
    [
        (Match(route=SOME), {"route": "/x"}),
        (Match(model=SOME), {"model": "x"}),
        (Match(provider=SOME), {"provider": "x"}),
        (Match(key=SOME), {"key": "x"}),
        (Match(team=SOME), {"team": "x"}),
        (Match(tag=Globs(include=("a=x",))), {"tags": {"a": "x"}}),
        (Match(stream=True), {"stream": True}),
        (Match(tainted=True), {"tainted": True}),
    ],
)
def test_what_a_rule_or_an_exclusion_asks_is_in_the_key(match: Match, change: dict[str, Any]) -> None:
    excluded = does("r", "birds", "block", exclusions=(Exclusion(id="x", match=match),))
    for spec in (does("r", "birds", "block", match=match), excluded):
        facets = Facets([spec])
        assert facets.key(FACTS) != facets.key(replace(FACTS, **change))
        assert Facets([does("r", "birds", "block")]).key(FACTS) == Facets([does("r", "birds", "block")]).key(
            replace(FACTS, **change)
        )


def test_strictness_matters_where_a_rule_does_not_act_anyway() -> None:
    strict = replace(FACTS, strict=True)
    enforced, audited = (Facets([does("r", "birds", "block", mode=mode)]) for mode in ("enforce", "audit"))
    assert enforced.key(FACTS) == enforced.key(strict)
    assert audited.key(FACTS) != audited.key(strict)


def test_of_sessions_only_their_share_is_in_the_key() -> None:
    facets = Facets([does("r", "birds", "block", mode="canary", canary=Canary(share=0.5, sticky_by="session"))])
    assert len({facets.key(replace(FACTS, session=str(number))) for number in range(200)}) == 2


def test_the_size_is_that_of_what_callers_choose() -> None:
    assert Facets([does("r", "birds", "block", match=Match(model=SOME))]).size(replace(FACTS, model="m" * 50)) == 50
    assert Facets([does("r", "birds", "block")]).size(FACTS) == 0
    assert not Facets([does("r", "birds", "block")]).asks_taint
