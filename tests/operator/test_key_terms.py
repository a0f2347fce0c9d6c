from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import MalformedRequest
from gateway.core.keys import Grant
from gateway.operator.key_terms import shown, shown_declared, terms, wished
from tests.support.virtual_keys import NOW_S, changed, minted

DOCUMENTS = st.dictionaries(
    st.sampled_from(["team", "name", "tags", "models", "endpoints", "may_tag", "policies", "budget", "expires", "x"]),
    st.one_of(st.none(), st.text(max_size=10), st.lists(st.text(max_size=5), max_size=3), st.integers(), st.booleans()),
)


@given(DOCUMENTS)
def test_whatever_is_written_is_read_or_refused_and_nothing_else_is_raised(document: dict[str, object]):
    try:
        fields = terms(wished(document), NOW_S)
    except MalformedRequest:
        return
    key, _ = minted()
    assert shown(changed(key, **fields), NOW_S)["id"] == key.id


def test_nothing_of_a_secret_is_shown():
    key, token = minted(team="a")
    text = str(shown(key, NOW_S))
    assert token not in text
    assert key.secrets[0].digest.hex() not in text
    assert "digest" not in text


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, "active"),
        ({"disabled": True}, "disabled"),
        ({"expires_s": NOW_S}, "expired"),
        ({"expires_s": NOW_S + 1}, "active"),
        ({"revoked_s": NOW_S, "disabled": True}, "revoked"),
    ],
)
def test_a_key_says_how_it_is(fields: dict[str, Any], status: str):
    assert shown(minted(**fields)[0], NOW_S)["status"] == status


def test_a_declared_key_ends_too():
    assert shown_declared(Grant(id="a", expires_s=NOW_S), NOW_S)["status"] == "expired"
    assert shown_declared(Grant(id="a"), NOW_S)["status"] == "active"
