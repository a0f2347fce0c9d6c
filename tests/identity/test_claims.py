from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.jwt import JwtRefused
from gateway.core.trust import ClaimNames
from gateway.core.vouched import is_name
from gateway.identity.claims import find_claim, principal_of

NONE: frozenset[bytes] = frozenset()
NAMES = ClaimNames(team="team", tenant="org.name", models="models", tags={"stage": "env"}, all_tags="labels")
SAID: dict[str, Any] = {"sub": "ann", "team": "blue", "org": {"name": "acme"}, "models": ["gpt-*"]}


def test_claims_are_found_by_name_or_by_way() -> None:
    said = {"https://acme.example/team": "a", "b": {"c": {"d": 1}}, "x.y": 2, "x": {"y": 3}}
    assert find_claim(said, "https://acme.example/team") == "a"
    assert find_claim(said, "b.c.d") == 1
    assert find_claim(said, "x.y") == 2
    assert find_claim(said, "b.c.d.e") is None
    assert find_claim(said, "nothing") is None


def test_tags_come_from_claims_and_from_an_object() -> None:
    found = principal_of(SAID | {"env": "prod", "labels": {"cost": "7", "stage": "test"}}, NAMES, NONE)
    assert found.tags == {"stage": "prod", "cost": "7"}
    assert principal_of(SAID, NAMES, NONE).tags == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"team": None},
        {"team": ""},
        {"team": ["a", "b"]},
        {"team": []},
        {"org": "acme"},
        {"org": {}},
        {"models": []},
        {"models": ""},
        {"models": None},
        {"models": "gpt-* x'y"},
        {"models": ["a"] * 65},
        {"models": [7]},
        {"models": {"a": 1}},
        {"env": "a'b"},
        {"env": 7},
        {"labels": ["a"]},
        {"labels": {"a'b": "c"}},
        {"labels": {"a": {"b": "c"}}},
        {"labels": {f"t{number}": "x" for number in range(17)}},
    ],
)
def test_what_is_named_must_be_there_and_be_names(changes: dict[str, Any]) -> None:
    with pytest.raises(JwtRefused):
        principal_of(SAID | changes, NAMES, NONE)


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["sub", "team", "org", "models", "env", "labels"]), VALUE))
def test_whatever_claims_hold_a_principal_is_made_of_names(changes: dict[str, Any]) -> None:
    try:
        found = principal_of(SAID | changes, NAMES, NONE)
    except JwtRefused:
        return
    assert all(map(is_name, (found.key_id, found.team, found.tenant, *found.tags, *found.tags.values())))
    assert found.models
