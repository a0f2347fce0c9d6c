from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cache import questions
from gateway.cache.notes import NAME, PLURAL
from gateway.cache.questions import Question, read_question


def facts(text: str, language: str = "en") -> dict[str, tuple[str, ...]]:
    return read_question(text, language).facts


@pytest.mark.parametrize(
    "text",
    [
        "How do I convert 5 miles to kilometers?",
        "Could you please tell me how I can convert five miles to km?",
        "hi, how to convert 5 mi to kilometres, please?",
        "I'd like to know how you convert 5 miles to kilometers. Thanks!",
    ],
)
def test_ways_of_asking_are_one_question(text: str) -> None:
    asked = read_question(text, "en")
    assert asked.words == ("convert", "5", "mi", "km")
    assert asked.facts == {"asked": ("how",), "numbers": ("5",), "units": ("km", "mi")}
    assert asked.roles == ("", "", "", "to")


@pytest.mark.parametrize(
    ("text", "guard", "expected"),
    [
        ("two hundred and fifty thousand people", "numbers", ("250000",)),
        ("1,250.50 and 3k and 2 million", "numbers", ("1250.50", "2000000", "3000")),
        ("the 3rd house, the second street", "numbers", ("#2", "#3")),
        ("Is Python 3.10 out?", "numbers", ("3.10",)),
        ("on March 5th", "dates", ("m3",)),
        ("on the 5th of march", "dates", ("m3",)),
        ("at 3pm tomorrow", "dates", ("pm", "tomorrow")),
        ("by 2024-03-05 at 14:30", "dates", ("14:30", "2024-3-5")),
        ("$5 or 5 dollars", "units", ("$", "$")),
        ("5 kg, 5 pounds, 80 percent", "units", ("%", "kg", "pound")),
        ("it doesn't work without a key", "negation", ("not", "without")),
        ("is it faster than the other", "comparatives", ("+", "than")),
        ("the cheapest, the most, the minimum", "comparatives", ("*", "least", "most")),
        ("from above until later", "direction", ("above", "from", "until")),
        ("all of them or only the first", "quantities", ("all", "first", "only", "or")),
        ("I must go and should stay", "modality", ("must", "should")),
        ("it was so and will be", "tense", ("future", "past")),
        ("his dog and my cat", "person", ("1", "his")),
        ("who wrote it and when", "asked", ("who", "when")),
        ("Is it raining?", "asked", ("whether",)),
        ("call read_config() in /etc/app.yaml with --force", "code", ("--force", "/etc/app.yaml", "read_config()")),
        ("say 'good night' to “Mr Smith”", "quotes", ("good night", "mr smith")),
        ("flights to New York with Lufthansa", "names", ("new", "york", "lufthansa")),
    ],
)
def test_facts_by_guard(text: str, guard: str, expected: tuple[str, ...]) -> None:
    assert facts(text)[guard] == expected


@pytest.mark.parametrize(
    ("language", "text", "guard", "expected"),
    [
        ("de", "Ich habe fünfundzwanzig Euro und keine Zeit bis März", "numbers", ("25",)),
        ("de", "Ich habe fünfundzwanzig Euro und keine Zeit bis März", "negation", ("not",)),
        ("de", "Ich habe fünfundzwanzig Euro und keine Zeit bis März", "dates", ("m3",)),
        ("fr", "je n'ai pas vingt-deux euros en février", "numbers", ("22",)),
        ("fr", "je n'ai pas vingt-deux euros en février", "negation", ("not",)),
        ("fr", "je n'ai pas vingt-deux euros en février", "dates", ("m2",)),
        ("es", "¿Cuánto cuestan tres boletos sin descuento en enero?", "numbers", ("3",)),
        ("es", "¿Cuánto cuestan tres boletos sin descuento en enero?", "negation", ("without",)),
        ("es", "¿Cuánto cuestan tres boletos sin descuento en enero?", "dates", ("m1",)),
    ],
)
def test_facts_in_other_languages(language: str, text: str, guard: str, expected: tuple[str, ...]) -> None:
    assert facts(text, language)[guard] == expected


def test_a_language_that_is_not_known_has_nothing_but_content() -> None:
    asked = read_question("ile kosztuje bilet do Warszawy", "pl")
    assert asked.language == "pl"
    assert "bilet" in asked.words


def test_forms_are_one_word_and_say_that_they_are_many() -> None:
    asked = read_question("the users deleted their files while creating users", "en")
    assert asked.words == ("user", "delete", "file", "create", "user")
    assert asked.marks[0] & PLURAL


def test_whose_it_is_stands_like_what_it_is_of() -> None:
    one, other = (read_question(text, "en") for text in ("What's France's capital?", "What is the capital of France?"))
    assert set(zip(one.words, one.roles, strict=True)) == set(zip(other.words, other.roles, strict=True))
    assert one.marks[0] & NAME


def test_a_headline_has_no_names() -> None:
    assert "names" not in facts("Senate Confirms Yellen As Federal Reserve Chair")


def test_what_is_too_long_is_only_itself() -> None:
    text = "word " * questions.MOST_CHARS
    asked = read_question(text, "en")
    assert asked.words == ()
    assert asked.whole == read_question(text.upper(), "en").whole


@given(st.text(max_size=300), st.sampled_from(["en", "de", "fr", "es", "xx", ""]))
def test_anything_can_be_read_and_kept(text: str, language: str) -> None:
    asked = read_question(text, language)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(asked), type=Question) == asked
    assert len(asked.words) == len(asked.raws) == len(asked.roles) == len(asked.marks) <= questions.MOST_WORDS
    assert read_question(text, language) == asked
