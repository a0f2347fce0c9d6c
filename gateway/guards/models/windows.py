"""Cuts long texts into windows that a small model can judge, and judges the text by its worst one.

A model that reads 128 word pieces sees a long text in many windows, and the more windows there are, the higher the
highest score of a harmless text. So a text's score is the highest of its windows, less a little for every doubling.
"""

from __future__ import annotations

import math

Span = tuple[int, int]

# About 128 word pieces of English. A text a quarter longer than this is still judged in one piece.
WINDOW_CHARS, STEP_CHARS, WHOLE_CHARS = 560, 400, 700
# A cut looks this far back for a space.
_REACH = 48


def windows(text: str) -> list[Span]:
    """Return overlapping windows, in code points, that cover the text; none of an empty one."""
    length = len(text)
    if length <= WHOLE_CHARS:
        return [(0, length)] if length else []
    spans: list[Span] = []
    start = 0
    while True:
        if length - start <= WHOLE_CHARS:
            spans.append((start, length))
            return spans
        spans.append((start, _cut(text, start + WINDOW_CHARS)))
        start = _cut(text, start + STEP_CHARS)


def _cut(text: str, place: int) -> int:
    """Return the place behind the last space before ``place``, or ``place`` where there is none near."""
    for at in range(place, place - _REACH, -1):
        if text[at - 1].isspace():
            return at
    return place


def correction(count: int, per_doubling: float) -> float:
    """Return what is taken off the highest logit of so many windows."""
    return per_doubling * math.log2(count) if count > 1 else 0.0
