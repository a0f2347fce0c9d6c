from __future__ import annotations

import pytest

from gateway.cache.little_words import LITTLE

GROUPS = {"-", "not", "more", "all", "must", "when", "me", "ask", "to", "in", "and"}


@pytest.mark.parametrize("language", sorted(LITTLE))
def test_each_language_denies_asks_and_joins(language: str) -> None:
    kinds = LITTLE[language]
    assert {kind.partition(":")[0] for kind in kinds.values()} == GROUPS
    assert {"not:not", "not:without", "and:or", "all:all", "more:less", "ask:how"} <= set(kinds.values())


@pytest.mark.parametrize("word", ["not", "without", "before", "more", "who", "must", "only", "from"])
def test_nothing_that_changes_an_answer_is_dropped(word: str) -> None:
    assert LITTLE["en"][word] != "-"
