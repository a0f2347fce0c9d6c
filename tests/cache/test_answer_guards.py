from __future__ import annotations

import pytest

from gateway.cache.answer_guards import GUARDS, Found, compared, failed
from gateway.cache.questions import read_question
from gateway.core.cache_rules import ANSWER_GUARDS


def differ(new: str, old: str, language: str = "en") -> tuple[str, ...]:
    return failed(read_question(new, language), read_question(old, language))


@pytest.mark.parametrize(
    ("guard", "new", "old"),
    [
        ("numbers", "Show order 1042.", "Show order 1043."),
        ("numbers", "a trip for two people", "a trip for three people"),
        ("numbers", "Install Python 3.1.", "Install Python 3.10."),
        ("units", "It weighs 5 kg.", "It weighs 5 pounds."),
        ("units", "Add 5 percent.", "Add 5 dollars."),
        ("dates", "Is the shop open on Monday?", "Is the shop open on Sunday?"),
        ("dates", "Wake me at 3pm.", "Wake me at 3am."),
        ("dates", "What is the weather today?", "What is the weather tomorrow?"),
        ("names", "Who is the mayor of Paris?", "Who is the mayor of Berlin?"),
        ("negation", "Can I drink it after surgery?", "Can't I drink it after surgery?"),
        ("negation", "coffee with sugar", "coffee without sugar"),
        ("comparatives", "Which one is the most expensive?", "Which one is the least expensive?"),
        ("comparatives", "Find the best hotel.", "Find the worst hotel."),
        ("direction", "Remind me before lunch.", "Remind me after lunch."),
        ("direction", "Turn the lights on.", "Turn the lights off."),
        ("quantities", "Delete all files.", "Delete any files."),
        ("quantities", "the first invoice", "the last invoice"),
        ("quantities", "tea and milk", "tea or milk"),
        ("modality", "Must I pay it?", "Can I pay it?"),
        ("tense", "Who is the president?", "Who was the president?"),
        ("person", "What is his name?", "What is her name?"),
        ("asked", "How do I stop it?", "Why do I stop it?"),
        ("asked", "Is it a mammal?", "What is a mammal?"),
        ("code", "What does read_all() do?", "What does read_one() do?"),
        ("code", "if a == b", "if a != b"),
        ("quotes", "Translate 'good night'.", "Translate 'good morning'."),
    ],
)
def test_each_guard_finds_its_difference(guard: str, new: str, old: str) -> None:
    assert guard in differ(new, old)
    assert guard in differ(old, new)


@pytest.mark.parametrize(
    ("language", "guard", "new", "old"),
    [
        ("de", "negation", "Ist das erlaubt?", "Ist das nicht erlaubt?"),
        ("de", "numbers", "Was kosten zwei Karten?", "Was kosten drei Karten?"),
        ("de", "dates", "Termine im März", "Termine im Mai"),
        ("fr", "negation", "avec ou sans sucre", "avec sucre"),
        ("fr", "comparatives", "le plus rapide", "le moins rapide"),
        ("es", "quantities", "todos los archivos", "algunos archivos"),
        ("es", "direction", "antes de comer", "después de comer"),
    ],
)
def test_guards_in_other_languages(language: str, guard: str, new: str, old: str) -> None:
    assert guard in differ(new, old, language)


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("What's the capital of France?", "Please tell me, what is the capital of france"),
        ("How can I reset my password?", "How do you reset your password?".replace("your", "my")),
        ("twenty five km", "25 kilometers"),
        ("the 5th of March", "March 5"),
        ('Translate "cat"', "translate cat"),
        ("I do not know it", "I don't know it"),
    ],
)
def test_what_is_the_same_passes_all(new: str, old: str) -> None:
    assert differ(new, old) == ()


@pytest.mark.parametrize(
    ("new", "old", "left_open"),
    [
        ("The man climbs up a rope.", "The man climbs a rope.", 1),
        ("A dog runs through the snow.", "A dog runs in the snow.", 1),
        ("We heard that Ada Lovelace wrote it.", "We heard that Lovelace wrote it.", 1),
        ("The man drove his car.", "The man drove a car.", 1),
        ("We met the Egyptians there.", "We met them in Egypt.", 0),
    ],
)
def test_what_one_question_leaves_open_is_counted_and_no_difference(new: str, old: str, left_open: int) -> None:
    found = compared(read_question(new, "en"), read_question(old, "en"))
    assert "names" not in found.names
    if left_open:
        assert found == Found((), left_open)


@pytest.mark.parametrize(
    ("guard", "new", "old"),
    [
        ("direction", "Turn the volume up.", "Turn the volume down."),
        ("direction", "How do I sign up here?", "How do I sign in here?"),
        ("direction", "Drive it into the garage.", "Drive it out of the garage."),
        ("names", "Who is the mayor of New York?", "Who is the mayor of York?"),
        ("names", "Who is the mayor of Paris in France?", "Who is the mayor of Paris?"),
        ("names", "Show me Paris Hilton.", "Show me Paris."),
        ("person", "What is his car?", "What is her car?"),
        ("person", "What does she do with it?", "What do I do with it?"),
    ],
)
def test_what_contradicts_is_never_left_open(guard: str, new: str, old: str) -> None:
    assert guard in differ(new, old)
    assert guard in differ(old, new)


def test_only_the_guards_that_are_asked_for_speak() -> None:
    new, old = (read_question(text, "en") for text in ("Show order 12 in Rome.", "Show order 13 in Oslo."))
    assert set(failed(new, old)) == {"numbers", "names"}
    assert failed(new, old, frozenset({"names"})) == ("names",)
    assert {"numbers", "negation", "names"} <= GUARDS


def test_a_configuration_can_name_every_guard_and_asks_for_all_of_them() -> None:
    assert len(ANSWER_GUARDS) == len(GUARDS) == len({*GUARDS, *ANSWER_GUARDS})
