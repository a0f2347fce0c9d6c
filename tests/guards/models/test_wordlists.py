from __future__ import annotations

import pytest

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
