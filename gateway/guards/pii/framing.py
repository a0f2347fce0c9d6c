r"""Where a candidate's own text begins and ends, and whether it is a piece of something longer.

Expressions of the catalogue take in what may stand around a number without a gap: an escape inside of encoded text
(``\n``, ``%20``) and the underscores of Markdown and of names. A check looks at the characters that stream and whole
text both have: eight to the left of the candidate, one to its right, and as many more to the right as its own
expression could have taken in.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.guards.validators import Before, Check

_HEAD = re.compile(r"(?:\\[abfnrtv0]|\\u[0-9a-fA-F]{4}|%[0-9A-Fa-f]{2}|_)*")
# A decimal fraction; a later group of a UUID.
_PIECE = re.compile(r"(?:[0-9][.]|[0-9][eE]-|(?:-[0-9a-fA-F]{4}|[0-9a-fA-F]{7})-)\Z")
_SEPARATORS = str.maketrans("", "", " .-/\t")
_PIECE_CHARS = 8


def framed(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a candidate without the frame that its expression took in."""
    head = _HEAD.match(text, start, end)
    begin = head.end() if head else start
    while end > begin and text[end - 1] == "_":
        end -= 1
    return begin, end


def is_piece(text: str, start: int) -> bool:
    """Whether what begins here goes on with something that stands before it."""
    return start > 1 and _PIECE.search(text, max(0, start - _PIECE_CHARS), start) is not None


def compact(text: str) -> str:
    """Return an identifier without its separators."""
    return text.translate(_SEPARATORS)


class Form(Check, frozen=True, kw_only=True):
    """An identifier that one function judges.

    Attributes:
        test: Takes the identifier without separators.
        form: What it must match as written; ``None`` where the expression says it all.
        capital: Its small letters are made capital ones first.
    """

    before: Before = ""
    test: Callable[[str], bool]
    form: re.Pattern[str] | None = None
    capital: bool = True

    def narrow(self, text: str, start: int, end: int) -> tuple[int, int] | None:
        """See :meth:`gateway.guards.validators.Check.narrow`."""
        # A candidate that is told by its size comes without a frame.
        if not self.sizes:
            start, end = framed(text, start, end)
        if self.form is not None and not self.form.fullmatch(text, start, end):
            return None
        value = text[start:end].translate(_SEPARATORS)
        if not self.test(value.upper() if self.capital else value) or is_piece(text, start):
            return None
        return start, end
