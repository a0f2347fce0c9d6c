from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.guards.pii.europe import EUROPE, document_check
from tests.support.identifiers import fill, library

# Both say the same of every number of these, valid or not.
SAME = {
    "hr": ("hr", "oib", "99999999999"),
    "de": ("de", "idnr", "99999999999"),
    "nl": ("nl", "bsn", "999999999"),
    "pt": ("pt", "nif", "999999999"),
    "tr": ("tr", "tckimlik", "99999999999"),
    "es": ("es", "dni", "99999999A"),
    "ie": ("ie", "pps", "9999999A"),
    "ch": ("ch", "ssn", "7569999999999"),
    "pl_tax": ("pl", "nip", "9999999999"),
    "ru": ("ru", "inn", "779999999999"),
    "ua": ("ua", "rntrc", "9999999999"),
    "pt_card": ("pt", "cc", "999999999AA9"),
}
PUBLISHED = {
    "de_pension": ("65170839J003", "65170839J008"),
    "de_card": ("T220001293", "T220001294"),
    "hu": ("111111110", "111111111"),
    "ru_insurance": ("11223344595", "11223344594"),
    "gb": ("AB123456C", "BG123456C"),
    "mt": ("0123456M", "0000000M"),
    "fr": ("295109912611193", "295109912611199"),
    "it": ("RSSMRA85T10A562S", "RSSMRA85T10A562T"),
    "fi": ("131052308T", "131052308U"),
    "lu": ("1893120105732", "1893120105733"),
    "cz": ("7103192745", "7103192746"),
    "be": ("85073003328", "85073003329"),
    "no": ("15108695088", "15108695077"),
    "cy": ("10259033P", "10259033Z"),
    "yu": ("0101006500006", "0101006500007"),
    "se": ("8803200016", "8803200018"),
    "ro": ("1630615123457", "1630615123458"),
}


@pytest.mark.parametrize("name", SAME)
@given(seed=st.integers(0, 2**32))
def test_it_agrees_with_the_library(name: str, seed: int) -> None:
    country, module, mask = SAME[name]
    source = random.Random(seed)
    number = fill(source, mask)
    valid = library(country, module)
    # Check digits at the end, one after the other: some of these are right.
    for end in range(10) if mask[-1] == "9" else (0,):
        text = number[:-1] + str(end) if mask[-1] == "9" else number
        assert EUROPE[name](text) == valid(text), text


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_numbers(name: str) -> None:
    right, wrong = PUBLISHED[name]
    assert EUROPE[name](right)
    assert not EUROPE[name](wrong)


def test_impossible_birthdays_are_none() -> None:
    for name in ("at", "bg", "cz", "dk", "ee", "fi", "gr", "is", "no", "pl", "ro", "se", "yu", "lv"):
        assert not EUROPE[name]("9999999999999"[: 13 if name in {"ro", "yu"} else 11]), name


def test_an_empty_optional_field_of_a_document_has_no_digit() -> None:
    assert document_check("<<<<<<<<<<<<<<<")
    assert document_check("<<<<<<<<<<<<<<0")
    assert not document_check("A<<<<<<<<<<<<<<")
