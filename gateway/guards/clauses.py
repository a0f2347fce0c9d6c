"""Cuts a text that is being written into clauses, so that a model can judge it before it is whole.

Where a clause ends depends on what stands before that place and on nothing else: however a stream is cut into pieces,
its clauses are the same. A clause is judged together with the one before it: what is said in two halves is seen.
"""

from __future__ import annotations

import re

import msgspec

# Shorter ones go on: half a sentence says little. Longer ones are cut between two words, or anywhere if there are none.
MIN_CHARS, MAX_CHARS = 24, 320
_END = re.compile(r"""(?:(?<=[.!?;:\u2026])|(?<=[.!?\u2026]["'\u201d\u2019)\]]))\s|\n|[\u3002\uff01\uff1f\uff1b]""")


class Clause(msgspec.Struct, frozen=True):
    """One clause.

    Attributes:
        text: The clause before it, and it.
        context: How much of that is the clause before it.
        base: Number of the text's first character in the whole.
    """

    text: str
    context: int
    base: int

    @property
    def size(self) -> int:
        """Characters of the clause itself."""
        return len(self.text) - self.context


class Cutter:
    """Cuts one text.

    Attributes:
        count: Clauses that are whole.
    """

    __slots__ = ("_at", "_before", "_start", "_text", "count")

    def __init__(self) -> None:
        self.count = 0
        self._text = self._before = ""
        self._start = self._at = 0

    @property
    def open(self) -> bool:
        """Whether a clause has begun and is not whole."""
        return bool(self._text)

    def feed(self, text: str) -> list[Clause]:
        """Take more text and return the clauses that are whole now."""
        self._text += text
        whole: list[Clause] = []
        while (end := self._end()) is not None:
            whole.append(self._cut(end))
        return whole

    def finish(self) -> list[Clause]:
        """Take the end of the text and return the last clause, if there is one left."""
        return [self._cut(len(self._text))] if self._text else []

    def _end(self) -> int | None:
        limit = min(len(self._text), MAX_CHARS)
        for found in _END.finditer(self._text, max(self._at, MIN_CHARS - 1), limit):
            return found.end()
        self._at = limit
        if limit < MAX_CHARS:
            return None
        space = max(self._text.rfind(" ", MIN_CHARS, MAX_CHARS), self._text.rfind("\t", MIN_CHARS, MAX_CHARS))
        return space + 1 if space > 0 else MAX_CHARS

    def _cut(self, end: int) -> Clause:
        before, text = self._before, self._text[:end]
        clause = Clause(before + text, len(before), self._start - len(before))
        self._before, self._text = text, self._text[end:]
        self._start += end
        self._at = 0
        self.count += 1
        return clause


def clauses(text: str) -> list[Clause]:
    """Cut a text that is whole, as it would be cut on its way."""
    cutter = Cutter()
    return [*cutter.feed(text), *cutter.finish()]
