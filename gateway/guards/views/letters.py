"""Letters set apart, and digits and signs in place of letters."""

from __future__ import annotations

import re

from gateway.guards.views.view import OffsetMap, View

_DIGITS = {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "6": "g", "7": "t", "8": "b", "9": "g"}
_SIGNS = {"@": "a", "$": "s", "!": "i", "|": "i", "(": "c", "+": "t"}
_LEET = str.maketrans(_DIGITS | _SIGNS)
# Which of i and l a digit stands for cannot be told: where nothing but letters is left, both are one.
_TIGHT = str.maketrans(_DIGITS | {"l": "i", "L": "i"})
_TIGHT_SIGNS = str.maketrans(_DIGITS | _SIGNS | {"l": "i", "L": "i"})
_BETWEEN = re.compile(r"[^A-Za-z0-9]+")
_BETWEEN_SIGNS = re.compile(r"[^A-Za-z0-9@$!|(+]+")
# Single letters with the same one or two characters between them.
_APART = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]([ .\-_*|/,\n]{1,2})[A-Za-z0-9](?:\1[A-Za-z0-9](?![A-Za-z0-9]))++")


def leet(view: View) -> View:
    """Return a text with digits and signs as the letters that they stand for."""
    return View("leet", view.text.translate(_LEET), view)


def spaced(view: View) -> View | None:
    """Return a text with letters that stand apart put together."""
    found = list(_APART.finditer(view.text))
    if not found:
        return None
    text = _APART.sub(lambda run: run.group()[:: len(run[1]) + 1], view.text)
    return View(
        "spaced",
        text,
        view,
        lambda: OffsetMap(
            (place, place + len(run[1]), 0, 0)
            for run in found
            for place in range(run.start() + 1, run.end() - 1, len(run[1]) + 1)
        ),
    )


def tight(view: View, kind: str, *, signs: bool = False) -> View:
    """Return nothing but the letters of a text, digits read as letters, ``l`` as ``i``.

    Args:
        view: The text.
        kind: What asks for it.
        signs: Signs stand for letters too.
    """
    between = _BETWEEN_SIGNS if signs else _BETWEEN
    text = between.sub("", view.text).translate(_TIGHT_SIGNS if signs else _TIGHT)
    return View(
        kind,
        text,
        view,
        lambda: OffsetMap((*found.span(), 0, 0) for found in between.finditer(view.text)),
        tight=True,
    )
