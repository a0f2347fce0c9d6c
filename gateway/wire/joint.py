"""Where an answer that was cut goes on: what the next model says again of it is left out.

A model that is told to go on begins with the last words of what there is, since it was asked to (only so can it be
known whether a blank stands between the two), or with more of it, up to all. That is found by comparing, not by
trusting: what it says is held back as long as it may be a repetition, and no longer.
"""

from __future__ import annotations

from typing import Protocol

# Words that the next model is to begin with.
ANCHOR_CHARS = 48
# Fewer characters in common are chance.
LEAST_CHARS = 12
# How much of what was said may be said again. More is shown twice.
MAX_REPEATED_CHARS = 16_384


class Joint(Protocol):
    """Joins the text of the next model to what was said."""

    def feed(self, text: str) -> str:
        """Take more of it, and return what may be shown."""
        ...

    def finish(self) -> str:
        """It is whole: return the rest."""
        ...


def anchor(said: str) -> str:
    """Give the last words of what was said, for the next model to begin with; from the start of a word where it can."""
    words = said.rstrip()[-ANCHOR_CHARS:]
    if len(said.rstrip()) > ANCHOR_CHARS:
        blank = min((at for at in (words.find(" "), words.find("\n")) if at >= 0), default=-1)
        if 0 <= blank < len(words) - LEAST_CHARS:
            words = words[blank + 1 :]
    return words.lstrip()


class Repeating:
    """Leaves out what the next model repeats of the end of what was said.

    Args:
        said: So far.
    """

    __slots__ = ("_anchor", "_bare", "_blanks", "_held", "_said")

    def __init__(self, said: str) -> None:
        self._said = said[-MAX_REPEATED_CHARS:]
        # Few models repeat the blanks at an end.
        self._bare = self._said.rstrip()
        self._blanks = self._said[len(self._bare) :]
        self._anchor = anchor(said)
        # What may still be a repetition; ``None`` once that is known.
        self._held: str | None = ""

    def feed(self, text: str) -> str:
        """Take more: see :meth:`Joint.feed`."""
        if self._held is None:
            return text
        self._held += text
        told = self._held.lstrip()
        if self._anchor.startswith(told) or told in self._said:
            return ""
        if told.startswith(self._anchor) and not told[len(self._anchor) :].lstrip():
            # Blanks may follow that the client has already.
            return ""
        return self._decided()

    def finish(self) -> str:
        """The text is whole: see :meth:`Joint.finish`."""
        return "" if self._held is None else self._decided()

    def _decided(self) -> str:
        held, self._held = self._held or "", None
        told = held.lstrip()
        if told.startswith(self._anchor):
            return self._behind(told, len(self._anchor))
        common = overlap(self._bare, told)
        return self._behind(told, common) if common >= LEAST_CHARS else held

    def _behind(self, told: str, at: int) -> str:
        rest = told[at:]
        if not self._blanks:
            return rest
        return rest.removeprefix(self._blanks) if rest.startswith(self._blanks) else rest.lstrip()


class Continuing:
    """Joins what a model says that has what was said as the beginning of its own answer.

    Args:
        blanks: Left out at the end of that, since some models take none there; the client has them.
    """

    __slots__ = ("_blanks",)

    def __init__(self, blanks: str) -> None:
        self._blanks = blanks

    def feed(self, text: str) -> str:
        """Take more: see :meth:`Joint.feed`."""
        if not self._blanks:
            return text
        shown = text.lstrip()
        if shown:
            self._blanks = ""
        return shown

    def finish(self) -> str:
        """The text is whole: see :meth:`Joint.finish`."""
        return ""


def overlap(said: str, told: str) -> int:
    """Count the most characters at the end of one text with which the other begins. Takes linear time.

    Knuth, Morris, Pratt: Fast pattern matching in strings, 1977.
    """
    told = told[: len(said)]
    said = said[len(said) - len(told) :]
    shifts, matched = [0] * len(told), 0
    for at in range(1, len(told)):
        while matched and told[at] != told[matched]:
            matched = shifts[matched - 1]
        matched += told[at] == told[matched]
        shifts[at] = matched
    matched = 0
    for sign in said:
        while matched and (matched == len(told) or sign != told[matched]):
            matched = shifts[matched - 1]
        matched += bool(told) and sign == told[matched]
    return matched
