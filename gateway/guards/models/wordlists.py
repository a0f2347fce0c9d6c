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

    __slots__ = ("_known", "_longest")

    def __init__(self, words: Mapping[str, Sequence[str]]) -> None:
        self._known: dict[str, str] = {}
        # How many words the longest phrase has that begins with a word.
        self._longest: dict[str, int] = {}
        for category, listed in words.items():
            for split in filter(None, (phrase.lower().split() for phrase in listed)):
                self._known.setdefault(" ".join(split), category)
                self._longest[split[0]] = max(self._longest.get(split[0], 1), min(len(split), _LONGEST))

    def find(self, text: str) -> list[tuple[Span, str]]:
        """Return listed words with their category, by where they begin."""
        words = [word.lower() for word in _WORD.findall(text)]
        found = self._found(words)
        if not found:
            return []
        spans = [match.span() for match in _WORD.finditer(text)]
        return [((spans[first][0], spans[last][1]), category) for first, last, category in found]

    def _found(self, words: Sequence[str]) -> list[tuple[int, int, str]]:
        """Return the first and the last word of each: the longest where several begin, and none within another."""
        found: list[tuple[int, int, str]] = []
        if self._longest.keys().isdisjoint(words):
            return found
        free = 0
        for place, word in enumerate(words):
            longest = self._longest.get(word, 0) if place >= free else 0
            for end in range(min(place + longest, len(words)), place, -1):
                category = self._known.get(" ".join(words[place:end]))
                if category is not None:
                    found.append((place, end - 1, category))
                    free = end
                    break
        return found
