from __future__ import annotations

import random

import pytest

from training.people import HELD_LOCALES, KINDS, Maker, Names, World, made, recased

NAMES = {
    "en_US": Names(("Ada", "Grace"), ("Lovelace", "Hopper")),
    "de_DE": Names(("Jürgen", "Anna-Maria"), ("Müller", "Groß")),
    "it_IT": Names(("Dante", "Enzo"), ("Alighieri", "Ferrari")),
}
WORLD = World(
    NAMES,
    dict.fromkeys(("en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL"), ("Springfield",)),
    ("Ferrari Ltd",),
)
EVERYBODY = {part.lower() for names in NAMES.values() for part in (*names.first, *names.last)}


def parts(text: str) -> set[str]:
    return {part for part in EVERYBODY if part in text.lower()}


@pytest.mark.parametrize("held", [None, True, False])
def test_what_is_said_to_be_a_name_or_an_address_is_one(held: bool | None) -> None:
    found = made(WORLD, 600, 1, held=held)
    assert {text.kind for text in found} == set(KINDS)
    for text in found:
        assert all(parts(text.text[start:end]) for start, end in text.people)
        assert all(0 <= start < end <= len(text.text) for start, end, _ in text.places)
        assert {mark for *_, mark in text.places} <= {"S", "T"}
        assert "{" not in text.text.replace('{"name"', "")


def test_harmless_texts_name_nobody_and_others_do() -> None:
    found = made(WORLD, 600, 1, held=None)
    assert not any(text.people for text in found if text.kind == "harmless")
    assert all(text.people for text in found if text.kind in {"chat", "mail", "news"})


def test_what_is_held_out_is_of_other_patterns_and_other_names() -> None:
    kept, held = (made(WORLD, 400, 1, held=side) for side in (False, True))
    assert not {text.text.lower() for text in kept} & {text.text.lower() for text in held}
    named = {part for text in kept for start, end in text.people for part in parts(text.text[start:end])}
    assert "alighieri" not in named
    assert "lovelace" in named
    assert "it_IT" in HELD_LOCALES


def test_the_same_seed_makes_the_same_texts() -> None:
    assert made(WORLD, 50, 3, held=None) == made(WORLD, 50, 3, held=None)
    assert made(WORLD, 50, 3, held=None) != made(WORLD, 50, 4, held=None)


def test_a_person_keeps_the_name_within_a_text_only() -> None:
    maker = Maker(WORLD, ("en_US", "de_DE"), random.Random(5))
    firsts = set[str]()
    for _ in range(40):
        text = maker.text("{p1}|{p1}|{q1}", "chat").text.lower()
        one, again, _ = text.split("|")
        assert one == again
        firsts.add(one)
    assert firsts == {"ada", "grace", "jürgen", "anna-maria"}


def test_what_is_called_after_somebody_is_nobody() -> None:
    text = Maker(WORLD, ("en_US",), random.Random(1)).text("{nl} Airport, {nf}", "harmless")
    assert parts(text.text)
    assert text.people == []


def test_letters_that_change_their_number_keep_their_case() -> None:
    text = Maker(WORLD, ("de_DE",), random.Random(1)).text("Groß und İstanbul", "chat")
    rng = random.Random(1)
    assert all(len(recased(text, rng).text) == len(text.text) for _ in range(100))
