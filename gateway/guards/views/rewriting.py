"""Views made by replacing what an expression finds, with the map as a by-product."""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.guards.views.view import OffsetMap, Piece, View

# What a stretch becomes, and the pieces that it becomes it by; ``None`` leaves it.
Replace = Callable[[re.Match[str]], "tuple[str, list[Piece]] | None"]
# Work on one view is bounded: what is found beyond is left as it is.
MAX_PIECES = 30_000


class Rewritten:
    """A view on its way.

    Attributes:
        view: The result, or ``None`` when nothing was replaced.
        whole: Everything that was found was looked at.
    """

    __slots__ = ("view", "whole")

    def __init__(self, view: View | None, *, whole: bool) -> None:
        self.view = view
        self.whole = whole


def rewrite(parent: View, kind: str, pattern: re.Pattern[str], replace: Replace, *, sparse: bool = False) -> Rewritten:
    """Replace stretches of a text.

    Args:
        parent: The text.
        kind: Of the new view.
        pattern: What may be replaced.
        replace: By what.
        sparse: Leave out everything else.
    """
    text, at, whole = parent.text, 0, True
    parts: list[str] = []
    pieces: list[Piece] = []
    for found in pattern.finditer(text):
        if len(pieces) >= MAX_PIECES:
            whole = False
            break
        made = replace(found)
        if made is None:
            continue
        if not sparse:
            parts.append(text[at : found.start()])
        at = found.end()
        parts.append(made[0])
        pieces += made[1]
    if not pieces:
        return Rewritten(None, whole=whole)
    if not sparse:
        parts.append(text[at:])
    return Rewritten(View(kind, "".join(parts), parent, lambda: OffsetMap(pieces, sparse=sparse)), whole=whole)
