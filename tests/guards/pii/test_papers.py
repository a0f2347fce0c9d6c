from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.gb import nhs as known_nhs

from gateway.guards.pii.papers import PAPERS, machine_readable, passport
from tests.guards.pii.catalogue import masked
from tests.support.identifiers import MRZ

PUBLISHED = {
    "npi": ("1234567893", "1234567890"),
    "dea": ("AB1234563", "AB1234564"),
    "nhs": ("9434765919", "9434765918"),
    "kvnr": ("A123456780", "A123456781"),
    "medicare": ("2123456701", "2123456711"),
    "ohip": ("1234567897", "1234567898"),
    "nhi": ("ZAC5361", "ZAC5362"),
    "mbi": ("1EG4TE5MK73", "1111111111"),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_numbers(name: str) -> None:
    right, wrong = PUBLISHED[name]
    assert PAPERS[name](right)
    assert not PAPERS[name](wrong)


@given(st.integers(0, 10**10 - 1))
def test_nhs_numbers_agree_with_the_library(number: int) -> None:
    digits = f"{number:010}"
    if len(set(digits)) > 1:
        assert PAPERS["nhs"](digits) == known_nhs.is_valid(digits)


@pytest.mark.parametrize("lines", MRZ)
def test_a_machine_readable_zone_with_one_wrong_digit_is_none(lines: str) -> None:
    assert machine_readable(lines)
    assert machine_readable(lines.replace("\n", "\\n"))
    assert machine_readable(lines.replace("\n", "\r\n"))
    place = lines.index("740812")
    assert not machine_readable(lines[:place] + "8" + lines[place + 1 :])


def test_the_second_line_of_a_passport_is_enough() -> None:
    assert masked(MRZ[0].splitlines()[1]) == "[PASSPORT]"


@pytest.mark.parametrize("word", ["Passport no.", "Reisepass:", "numéro de passeport", "护照", "паспорт"])
def test_a_passport_needs_a_word(word: str) -> None:
    assert masked(f"{word} C01X00T47") == f"{word} [PASSPORT]"
    assert masked("part C01X00T47") == "part C01X00T47"
    assert not passport("ABCDEFGHI")
    assert masked("passport EXAMPLES") == "passport EXAMPLES"
