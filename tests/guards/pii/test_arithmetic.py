from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn as known_luhn
from stdnum import verhoeff as known_verhoeff
from stdnum.iso7064 import mod_11_2 as known_mod_11_2
from stdnum.iso7064 import mod_11_10 as known_mod_11_10
from stdnum.iso7064 import mod_97_10 as known_mod_97_10

from gateway.guards.pii.arithmetic import (
    ddmmyy,
    is_day,
    luhn,
    mod_11_2,
    mod_11_10,
    mod_97_10,
    verhoeff,
    weighted,
    yymmdd,
    yyyymmdd,
)

DIGITS = st.text(alphabet="0123456789", min_size=2, max_size=20)
PAIRS: dict[str, tuple[Callable[[str], bool], Callable[[str], bool], Callable[[str], str]]] = {
    "luhn": (luhn, known_luhn.is_valid, known_luhn.calc_check_digit),
    "verhoeff": (verhoeff, known_verhoeff.is_valid, known_verhoeff.calc_check_digit),
    "mod_11_10": (mod_11_10, known_mod_11_10.is_valid, known_mod_11_10.calc_check_digit),
    "mod_11_2": (mod_11_2, known_mod_11_2.is_valid, known_mod_11_2.calc_check_digit),
    "mod_97_10": (mod_97_10, known_mod_97_10.is_valid, known_mod_97_10.calc_check_digits),
}


@pytest.mark.parametrize("name", PAIRS)
@given(digits=DIGITS)
def test_it_agrees_with_the_library(name: str, digits: str) -> None:
    ours, theirs, check = PAIRS[name]
    assert ours(digits) == theirs(digits)
    assert ours(digits + check(digits))


@pytest.mark.parametrize("name", PAIRS)
@given(digits=DIGITS, place=st.integers(0, 19), other=st.sampled_from("0123456789"))
def test_one_wrong_digit_never_passes(name: str, digits: str, place: int, other: str) -> None:
    ours, _, check = PAIRS[name]
    place %= len(digits)
    wrong = digits[:place] + other + digits[place + 1 :] + check(digits)
    assert ours(wrong) == (other == digits[place])


def test_weights_end_with_the_shorter() -> None:
    assert weighted("123", (1, 10)) == 21
    assert weighted("12", (1, 10, 100)) == 21


def test_days() -> None:
    assert is_day(2, 29)
    assert not is_day(2, 30)
    assert not is_day(13, 1)
    assert not is_day(0, 1)
    assert yymmdd("991231")
    assert not yymmdd("999931")
    assert ddmmyy("311299")
    assert not ddmmyy("991299")
    assert yyyymmdd("19991231")
    assert not yyyymmdd("17991231")
