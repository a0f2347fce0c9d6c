"""Texts written backwards or with letters moved: a view in which they are turned back. Nothing is decoded here."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from functools import partial
from itertools import accumulate, islice

from gateway.guards.views.rewriting import MAX_PIECES
from gateway.guards.views.view import OffsetMap, Piece, View

# From an override to what ends it; a line ends it too.
_OVERRIDDEN = re.compile("\u202e([^\u202a-\u202e\n\r]*)")
_ROT13 = str.maketrans(
    string.ascii_letters,
    string.ascii_lowercase[13:]
    + string.ascii_lowercase[:13]
    + string.ascii_uppercase[13:]
    + string.ascii_uppercase[:13],
)


def rot13(view: View) -> View:
    """Return a text with every ASCII letter moved by half the alphabet."""
    return View("rot13", view.text.translate(_ROT13), view)


def reversed_text(view: View) -> View:
    """Return a text from its end."""
    size = len(view.text)
    return View("reversed", view.text[::-1], view, lambda: OffsetMap([(0, size, size, -1)], sparse=True))


def reversed_words(view: View) -> View:
    """Return a text with every word from its end, the words in their order."""
    backwards = view.text[::-1]
    # Splitting at single blanks keeps the words' lengths, so that the turned text has its words at the same places.
    words = backwards.split(" ")
    words.reverse()
    return View("reversed", " ".join(words), view, partial(_word_map, [len(word) for word in words]))


def _word_map(lengths: list[int]) -> OffsetMap:
    starts = accumulate(lengths, lambda at, length: at + length + 1, initial=0)
    return OffsetMap(
        (start, start + length, length, -1) for start, length in zip(starts, lengths, strict=False) if length
    )


def bidi(view: View) -> View | None:
    """Return a text with what is forced to run from right to left as a reader sees it."""
    text = view.text
    found = islice(_OVERRIDDEN.finditer(text), MAX_PIECES)
    spans = [each.span(1) for each in found if each.end(1) > each.start(1)]
    if not spans:
        return None
    parts: list[str] = []
    at = 0
    for start, end in spans:
        # Without the override: what was turned is not turned again.
        parts += (text[at : start - 1], text[start:end][::-1])
        at = end
    parts.append(text[at:])
    return View("bidi", "".join(parts), view, lambda: OffsetMap(_turned(spans)))


def _turned(spans: list[tuple[int, int]]) -> Iterator[Piece]:
    for start, end in spans:
        yield start - 1, start, 0, 0
        yield start, end, end - start, -1
