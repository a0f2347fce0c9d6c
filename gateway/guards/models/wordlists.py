"""Words and short phrases that say what a text is about, by category; found in time linear in the text.

A list is sure and narrow: it knows a word in every spelling that somebody wrote down, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

Span = tuple[int, int]

# A word may be spelled with signs inside ("a$$"), not around it.
_WORD = re.compile(r"[^\W_](?:[^\s,;:.?!\"()\[\]{}<>]{0,40}[^\W_])?|[^\s\w]{0,2}\w[^\s,;:?\"()]{0,40}")
_LONGEST = 4


class WordList:
    """Finds listed words.

    Args:
        words: By category. Phrases have at most four words.
    """

    __slots__ = ("_categories", "_known", "_longest")

    def __init__(self, words: Mapping[str, Sequence[str]]) -> None:
        self._categories = tuple(words)
        self._known: dict[str, str] = {}
        for category, listed in words.items():
            for phrase in listed:
                self._known.setdefault(" ".join(phrase.lower().split()), category)
        self._longest = min(_LONGEST, max((key.count(" ") + 1 for key in self._known), default=1))

    def find(self, text: str) -> list[tuple[Span, str]]:
        """Return listed words with their category, by where they begin."""
        tokens = [(match.start(), match.end(), match[0].lower()) for match in _WORD.finditer(text)]
        found: list[tuple[Span, str]] = []
        place = 0
        while place < len(tokens):
            for length in range(min(self._longest, len(tokens) - place), 0, -1):
                run = tokens[place : place + length]
                category = self._known.get(" ".join(word for _, _, word in run))
                if category is not None:
                    found.append(((run[0][0], run[-1][1]), category))
                    place += length
                    break
            else:
                place += 1
        return found
