"""Whether one of some words stands shortly before a place: what makes a bare number an account and not a price.

A word counts when nothing of its own script's letters runs on at either side, so ``lic`` is not in ``public``; an
underscore, a digit or a hump (``taxId``) ends a word, since keys of documents are written that way. Scripts whose words
run on into each other, or whose vowels are marks, have no such sides. Looks :data:`NEARBY_CHARS` characters to the
left, and one more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

NEARBY_CHARS = 48
# What must be kept to the left of a place for the answer not to change.
REACH = NEARBY_CHARS + 1

_HUMP = re.compile("(?<=[a-z])(?=[A-Z])")
_GAP = re.compile(r"[\W\d_]+")
# Latin, Greek and Cyrillic letters end where a word ends.
_SPACED = re.compile("[^\u0530-\U0010ffff]*")


class Nearby:
    """Finds words.

    Args:
        words: In lower case; a space stands for any gap, or for none.
    """

    __slots__ = ("_parts", "_words")

    def __init__(self, words: Iterable[str]) -> None:
        spaced: list[str] = []
        self._parts: list[str] = []
        for word in words:
            if _SPACED.fullmatch(word):
                plain = _GAP.sub(" ", word)
                spaced += (plain, plain.replace(" ", ""))
            else:
                self._parts.append(word)
        self._words = [f" {word} " for word in dict.fromkeys(spaced)]

    def before(self, text: str, at: int) -> bool:
        """Return whether one of the words stands shortly before a place."""
        start = at - NEARBY_CHARS - 1
        # What stands first may be the end of a longer word, so it never begins one.
        near = text[start:at] if start >= 0 else " " + text[:at]
        near = _HUMP.sub(" ", near).lower()
        words = _GAP.sub(" ", near) + " "
        return any(word in words for word in self._words) or any(part in near for part in self._parts)
