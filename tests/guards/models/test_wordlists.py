from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.guards.models.wordlists import WordList

WORDS = WordList({"insult": ["scumbag", "piece of trash", "a$$hat"], "threat": ["hunt you down"], "sexual": ["trash"]})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("You SCUMBAG!", [("SCUMBAG", "insult")]),
        ("what a piece of trash.", [("piece of trash", "insult")]),
        ("trash, trash", [("trash", "sexual"), ("trash", "sexual")]),
        ("I will hunt  you\ndown", [("hunt  you\ndown", "threat")]),
        ("such an a$$hat", [("a$$hat", "insult")]),
        ("scumbags and trashcans", []),
        ("hunt you", []),
        ("", []),
    ],
)
def test_listed_words_are_found_where_they_stand(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(text[start:end], category) for (start, end), category in WORDS.find(text)] == expected


@pytest.mark.parametrize("unit", ["a", "$", "hunt ", "a$", "_", " "])
def test_the_work_is_linear(unit: str) -> None:
    assert WORDS.find(unit * (100_000 // len(unit))) == []


def test_an_empty_list_finds_nothing() -> None:
    assert WordList({}).find("anything") == []


def test_a_phrase_without_a_word_is_none() -> None:
    assert WordList({"insult": [" ", "trash"]}).find("trash  ")[0][1] == "insult"


@given(st.lists(st.sampled_from(["piece", "of", "trash", "Hunt", "you", "down", "a$$hat", ","]), max_size=12))
def test_what_is_found_is_the_longest_from_left_to_right(words: list[str]) -> None:
    phrases = {"piece of trash": "insult", "a$$hat": "insult", "hunt you down": "threat", "trash": "sexual"}
    expected: list[str] = []
    left = [word.lower() for word in words if word != ","]
    while left:
        run = next((size for size in (3, 2, 1) if " ".join(left[:size]) in phrases), 0)
        expected += [" ".join(left[:run])] * bool(run)
        left = left[run or 1 :]
    text = " ".join(words)
    found = [text[start:end].lower().replace(" , ", " ") for (start, end), _ in WORDS.find(text)]
    assert found == expected
    assert [category for _, category in WORDS.find(text)] == [phrases[each] for each in expected]
