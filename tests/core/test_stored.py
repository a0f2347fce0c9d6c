from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.exchange import Principal
from gateway.core.stored import MAX_NAME_CHARS, Opened, Seals

SEALS = Seals(b"k" * 32)
ANN = Principal(key_id="ann", tenant="t", team="red")
NAMES = st.text("abcdefXYZ0189_-.", min_size=1, max_size=60)


@given(NAMES, st.text(min_size=1, max_size=20).filter(lambda t: "\0" not in t), st.text(max_size=20))
def test_a_name_comes_back_to_who_got_it_from_any_process(name: str, provider: str, model: str) -> None:
    if any("\ud800" <= char <= "\udfff" for char in provider + model):
        return
    given_ = SEALS.seal(name, provider, model, ANN)
    assert given_.startswith(name + ".")
    assert Seals(b"k" * 32).open(given_, ANN) == Opened(name, provider, model)


def test_a_team_shares_what_it_made_and_nobody_else_has_it() -> None:
    name = SEALS.seal("resp_1", "openai", "m", ANN)
    assert SEALS.open(name, Principal(key_id="bob", tenant="t", team="red")) is not None
    for other in (
        Principal(key_id="ann", tenant="t", team="blue"),
        Principal(key_id="ann", tenant="u", team="red"),
        Principal(key_id="ann"),
        Principal(),
    ):
        assert SEALS.open(name, other) is None
    alone = SEALS.seal("resp_1", "openai", "m", Principal(key_id="ann"))
    assert SEALS.open(alone, Principal(key_id="bob")) is None
    assert Seals(b"x" * 32).open(name, ANN) is None


@given(st.data())
def test_no_other_spelling_opens(data: Any) -> None:
    name = SEALS.seal("resp_1", "openai", "m", ANN)
    at = data.draw(st.integers(0, len(name) - 1))
    other = name[:at] + data.draw(st.characters(exclude_categories=[])) + name[at + 1 :]
    assert other == name or SEALS.open(other, ANN) is None
    assert SEALS.open(name + "=", ANN) is None


@pytest.mark.parametrize("name", ["", ".", "resp_1", "resp_1.", "resp_1.!!", "a." + "A" * MAX_NAME_CHARS, "a.AAAA"])
def test_what_was_never_sealed_does_not_open(name: str) -> None:
    assert SEALS.open(name, ANN) is None
