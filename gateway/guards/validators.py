"""Checks on a candidate match: where it may stand, what is secret in it, how far it goes.

A pattern names its check in ``PatternSpec.validator``. Everything here looks at most :data:`LOOK_BACK` characters to
the left of a candidate and one to its right, which is what a stream keeps.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

LOOK_BACK = 8
# An opener without a closer is swallowed this far; beyond it, the rest of the text is taken for the secret.
BLOCK_CHARS = 16_384

_DISTINCT_CHARS, _MIXED_CHARS = 16, 20
_PASSWORD_PLACEHOLDERS = frozenset(("password", "passwd", "pass", "pwd", "secret"))
# A token may follow an escape whose last character is a letter: \nAKIA…, %3DAKIA…, a colour code.
_ESCAPE = re.compile(r"(?:\\[abfnrtv0]|\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|%[0-9a-fA-F]{2}|\x1b\[[0-9;]{0,4}m)\Z")
# The same as look-behinds; more may pass here than there.
ESCAPED = r"(?<=\\[abfnrtv0])|(?<=\\x[0-9a-fA-F]{2})|(?<=\\u[0-9a-fA-F]{4})|(?<=%[0-9a-fA-F]{2})|(?<=[\[0-9;]m)"
ESCAPE_CHARS = ("\\", "%", "\x1b")


class Tail(msgspec.Struct, frozen=True):
    """Characters over which a match goes on for as long as they follow.

    Attributes:
        run: Matches a stretch of them, possibly none.
        dotted: A dot belongs to it when another one of them follows the dot.
    """

    run: re.Pattern[str]
    dotted: bool = False

    def reach(self, text: str, at: int, origin: int) -> tuple[int, bool]:
        """Go on from ``at``.

        Args:
            text: What there is so far.
            at: How far the match goes already.
            origin: Where the expression's own match ended.

        Returns:
            Where the match ends, and whether more text could not change that.
        """
        del origin
        found = self.run.match(text, at)
        end = found.end() if found else at
        if end == len(text):
            return end, False
        return end, not (self.dotted and text[end] == "." and end + 1 == len(text))


class Closer(msgspec.Struct, frozen=True):
    """A literal that ends a match, within :data:`BLOCK_CHARS` of the opener; without it, the match takes the rest."""

    literal: str

    def reach(self, text: str, at: int, origin: int) -> tuple[int, bool]:
        """Go on from ``at``; see :meth:`Tail.reach`."""
        limit = origin + BLOCK_CHARS
        if at <= limit:
            found = text.find(self.literal, max(origin, at - len(self.literal) + 1), limit)
            if found >= 0:
                return found + len(self.literal), True
        return len(text), False


Growth = Tail | Closer
Before = Literal["", "alnum", "digit"]


class Check(msgspec.Struct, frozen=True):
    """What a candidate must be.

    Attributes:
        before: What must not stand right before it.
        exact: No letter or digit may follow it.
        last: Only its last characters are the secret; 0 for all of them.
        tail: How it goes on.
        distinct: How many different characters its last sixteen have at least.
        mixed: Its last twenty characters hold a digit, or letters of both cases.
    """

    before: Before = "alnum"
    exact: bool = False
    last: int = 0
    tail: Tail | None = None
    distinct: int = 4
    mixed: bool = False

    def narrow(self, text: str, start: int, end: int) -> tuple[int, int] | None:
        """Return the secret's own stretch within a candidate, or ``None`` when it is none."""
        if not free(text, start, self.before):
            return None
        if self.exact and end < len(text) and _is_alnum(text[end]):
            return None
        if len(set(text[max(start, end - _DISTINCT_CHARS) : end])) < self.distinct:
            return None
        if self.mixed and not _is_mixed(text[max(start, end - _MIXED_CHARS) : end]):
            return None
        return (end - self.last if self.last else start), end


class PasswordCheck(Check, frozen=True):
    """The password in ``://user:password@``; what stands for one in templates is left alone."""

    def narrow(self, text: str, start: int, end: int) -> tuple[int, int] | None:
        """See :meth:`Check.narrow`."""
        first = text.index(":", start + 3) + 1
        password = text[first : end - 1]
        if password[0] in "$%*[{" or password.lower() in _PASSWORD_PLACEHOLDERS or len(set(password)) < 2:
            return None
        return first, end - 1


def _is_alnum(char: str) -> bool:
    return char.isalnum() and char.isascii()


def free(text: str, start: int, before: Before) -> bool:
    """Return whether a token can begin here."""
    if not start or not before:
        return True
    char = text[start - 1]
    if before == "digit":
        return char not in "0123456789"
    return not _is_alnum(char) or _ESCAPE.search(text[max(0, start - LOOK_BACK) : start]) is not None


def _is_mixed(text: str) -> bool:
    if not text.isalpha() and any(char.isdigit() for char in text):
        return True
    return text.lower() != text and text.upper() != text


_WORD = Tail(re.compile(r"[A-Za-z0-9_]*"))
_WIDE = Tail(re.compile(r"[A-Za-z0-9_-]*"))
_DOTTED = Tail(re.compile(r"[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*"), dotted=True)
_TILDED = Tail(re.compile(r"[A-Za-z0-9_~-]*(?:\.[A-Za-z0-9_~-]+)*"), dotted=True)
_PATH = Tail(re.compile(r"[A-Za-z0-9/_-]*"))
_BASE64 = Tail(re.compile(r"[A-Za-z0-9+/=_-]*"))
_URL = Tail(re.compile(r"[A-Za-z0-9%+/=_-]*"))

CHECKS: dict[str, Check] = {
    "exact": Check(exact=True),
    "word": Check(tail=_WORD),
    "wide": Check(tail=_WIDE),
    "dotted": Check(tail=_DOTTED),
    "path": Check(tail=_PATH),
    "base64": Check(tail=_BASE64),
    "numbered": Check(before="digit", tail=_WIDE),
    "mixed": Check(tail=_WORD, mixed=True),
    "mixed_wide": Check(tail=_WIDE, mixed=True),
    "random_wide": Check(tail=_WIDE, mixed=True, distinct=8),
    "tail_wide": Check(before="", tail=_TILDED),
    "last32": Check(last=32, tail=_WIDE),
    "last40": Check(last=40, tail=_BASE64),
    "last40_url": Check(before="", last=40, tail=_URL),
    "last88": Check(last=88),
    "url_password": PasswordCheck(before=""),
}
NO_CHECK = Check(before="", distinct=0)
