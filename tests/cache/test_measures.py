from __future__ import annotations

import pytest

from gateway.cache.measures import NUMBERS, plain, scaled


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("1,000", "1000"),
        ("1,000,000", "1000000"),
        ("1.000.000", "1000000"),
        ("1 000", "1000"),
        ("2,5", "2.5"),
        ("2.5", "2.5"),
        ("5.00", "5"),
        ("3.10", "3.10"),
        ("1.000", "1.000"),
        ("1.000,50", "1000.50"),
        ("1,000.5", "1000.5"),
        ("3.11.2", "3.11.2"),
        ("007", "7"),
        ("0", "0"),
    ],
)
def test_figures_are_written_in_one_way(written: str, number: str) -> None:
    assert plain(written) == number


def test_scales() -> None:
    assert scaled("2.5", 1_000_000) == "2500000"
    assert scaled("3.11.2", 1000) == "3.11.2"


def test_numbers_as_words() -> None:
    assert NUMBERS["de"]["fünfundzwanzig"] == NUMBERS["en"]["twenty-five"] == 25
    assert NUMBERS["fr"]["vingt-deux"] == 22
    assert NUMBERS["es"]["treinta"] == 30
