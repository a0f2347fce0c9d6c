from __future__ import annotations

import pytest

from gateway.cache.lexicon import ALIKE, SAME, lexicon


@pytest.mark.parametrize(
    ("word", "form"),
    [
        ("users", "user"),
        ("cities", "city"),
        ("boxes", "box"),
        ("children", "child"),
        ("went", "go"),
        ("making", "make"),
        ("planned", "plan"),
        ("rating", "rate"),
        ("singing", "sing"),
        ("falling", "fall"),
        ("studied", "study"),
        ("morning", "morning"),
        ("status", "status"),
        ("glass", "glass"),
    ],
)
def test_forms(word: str, form: str) -> None:
    assert lexicon().form(word)[0] == form


def test_plurals_are_told() -> None:
    assert lexicon().form("users")[1]
    assert lexicon().form("women")[1]
    assert not lexicon().form("went")[1]


def test_what_means_the_same_and_what_the_opposite() -> None:
    words = lexicon()
    assert words.alike("buy", "purchase") == SAME == words.alike("purchase", "buy")
    assert words.alike("doctor", "medico") == ALIKE or words.alike("change", "alter") == ALIKE
    assert not words.alike("buy", "sell")
    assert words.opposed("increase", "decrease")
    assert not words.opposed("buy", "purchase")
    assert words.knows("house")
    assert not words.knows("xyzzy")


def test_degrees() -> None:
    assert lexicon().degrees["faster"] == "+fast"
    assert lexicon().degrees["cheapest"] == "*cheap"
