"""Several texts as one: what is said in parts, over turns or fields, is read as a whole."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

# What may run from one text into the next begins and ends this near to where they meet.
REACH = 400


class Joined:
    """The places where texts meet, with what lies around them.

    A text that is longer than twice :data:`REACH` has its middle left out: what lies in it was read with the text.

    Attributes:
        text: The parts with a line's end between them.
    """

    __slots__ = ("_parts", "_starts", "text")

    def __init__(self, texts: Sequence[str]) -> None:
        # Number of the text, and where in it the part begins.
        self._parts: list[tuple[int, int]] = []
        pieces: list[str] = []
        for number, text in enumerate(texts):
            cut = len(text) > 2 * REACH
            for start, end in ((0, REACH), (len(text) - REACH, len(text))) if cut else ((0, len(text)),):
                self._parts.append((number, start))
                pieces.append(text[start:end])
        # Nothing runs over the middle that was left out.
        self._starts = list(accumulate(pieces, lambda at, piece: at + len(piece) + 1, initial=0))[:-1]
        self.text = "\n".join(pieces)

    def split(self, start: int, end: int) -> list[tuple[int, int, int]]:
        """Return the stretches that a stretch of the whole is made of: number of the text, start and end in it."""
        stretches: list[tuple[int, int, int]] = []
        run = max(0, bisect_right(self._starts, start) - 1)
        while run < len(self._starts) and self._starts[run] < end:
            number, offset = self._parts[run]
            begin = self._starts[run]
            stop = self._starts[run + 1] - 1 if run + 1 < len(self._starts) else len(self.text)
            low, high = max(start, begin) - begin + offset, min(end, stop) - begin + offset
            if low < high:
                stretches.append((number, low, high))
            run += 1
        return stretches
