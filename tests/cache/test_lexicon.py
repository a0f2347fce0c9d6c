from __future__ import annotations

import pytest

from gateway.cache.lexicon import ALIKE, RAREST, SAME, lexicon


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
    assert words.opposed("read", "write")
    assert words.opposed("write", "read")
    assert words.opposed("learn", "teach")
    assert not words.opposed("learn", "study")
    assert words.knows("house")
    assert not words.knows("xyzzy")


def test_degrees() -> None:
    assert lexicon().degrees["faster"] == "+fast"
    assert lexicon().degrees["cheapest"] == "*cheap"


def test_which_noun_an_adjective_is_of() -> None:
    words = lexicon()
    assert [words.of(each) for each in ("french", "egyptian", "green", "zzz")] == ["france", "egypt", "green", "zzz"]
    assert words.alike("french", "france") == ALIKE


def test_words_of_one_sort_and_words_that_say_more() -> None:
    words = lexicon()
    assert words.sisters("coffee", "tea")
    assert not words.sisters("slice", "cut")
    assert words.broader("slice", "cut")
    assert words.broader("cut", "slice")
    assert not words.broader("coffee", "tea")


def test_how_rare_a_word_is() -> None:
    words = lexicon()
    found = [words.rarity(each) for each in ("be", "camera", "trampoline", "zzz")]
    assert found == sorted(found)
    assert (found[0], found[-1]) == (0, RAREST)
    assert words.usual("camera")
    assert not words.usual("zzz")
