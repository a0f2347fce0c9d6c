"""Texts that are not seen at all: spelt in tag characters, or kept in variation selectors, one byte each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from gateway.guards.views.view import OffsetMap, Piece, View

_TAGS = re.compile("[\U000e0020-\U000e007e]+")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]+")
# A tag is its letter and this.
_TO_LETTER = {place: place - 0xE0000 for place in range(0xE0020, 0xE007F)}
_TO_BYTE = {0xFE00 + value: value for value in range(16)} | {0xE0100 + value: value + 16 for value in range(240)}
# Shorter ones say nothing: a flag, an emoji in colour.
_LEAST = 4


def tags(view: View) -> View | None:
    """Return what the tags of a text spell."""
    runs = list(_TAGS.finditer(view.text))
    text = "".join([run.group() for run in runs]).translate(_TO_LETTER)
    if len(text) < _LEAST:
        return None
    return _deeper(
        View("tags", text, view, lambda: OffsetMap(((*run.span(), len(run.group()), 1) for run in runs), sparse=True))
    )


def variation(view: View) -> View | None:
    """Return what the bytes in the variation selectors of a text spell, as UTF-8 or else as they are."""
    runs = [(run.start(), run.end()) for run in _SELECTORS.finditer(view.text)]
    data = "".join([view.text[start:end] for start, end in runs]).translate(_TO_BYTE).encode("latin-1")
    if len(data) < _LEAST:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return _deeper(View("variation", text, view, partial(_selector_map, runs, text, utf8=len(text) < len(data))))


def _selector_map(runs: list[tuple[int, int]], text: str, *, utf8: bool) -> OffsetMap:
    if not utf8:
        return OffsetMap(((start, end, end - start, 1) for start, end in runs), sparse=True)
    return OffsetMap(_by_character(runs, text), sparse=True)


def _by_character(runs: list[tuple[int, int]], text: str) -> Iterator[Piece]:
    """Yield a piece for each character: those that its bytes lie in, from the first to the last."""
    places = (place for start, end in runs for place in range(start, end))
    for char in text:
        held = [next(places) for _ in range(len(char.encode()))]
        yield held[0], held[-1] + 1, 1, 0


def _deeper(view: View) -> View:
    view.depth += 1
    return view
