"""Whether one of some words stands shortly before a place: what makes a bare number an account and not a price.

A word counts when nothing of its own script's letters runs on at either side, so ``lic`` is not in ``public``; an
underscore, a digit or a hump (``taxId``) ends a word, since keys of documents are written that way. Scripts without
spaces between words have no such sides. Looks :data:`NEARBY_CHARS` characters to the left, and one more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

NEARBY_CHARS = 48
# What must be kept to the left of a place for the answer not to change.
REACH = NEARBY_CHARS + 1

_LEFT = r"(?:(?<![^\W\d_])|(?<=[a-z])(?=[A-Z]))"
_RIGHT = r"(?:(?![^\W\d_])|(?<=[a-z])(?=[A-Z]))"
_GAP = r"[\s_.:/-]{0,2}"
# Kana, Han, Hangul, Thai and Lao: letters follow each other with no space between words.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


class Nearby:
    """Finds words.

    Args:
        words: In lower case; a space stands for any short gap, or for none.
    """

    __slots__ = ("_search",)

    def __init__(self, words: Sequence[str]) -> None:
        self._search = re.compile("|".join(_word(word) for word in sorted(words, key=len, reverse=True))).search

    def before(self, text: str, at: int) -> bool:
        """Return whether one of the words stands shortly before a place."""
        return self._search(text, max(0, at - NEARBY_CHARS), at) is not None


def _word(word: str) -> str:
    body = _GAP.join(re.escape(part) for part in word.split())
    left = "" if _UNSPACED.match(word[0]) else _LEFT
    right = "" if _UNSPACED.match(word[-1]) else _RIGHT
    return f"{left}(?i:{body}){right}"
