"""A view of a text, and the way from its characters back to those of the original.

A view is made of another one by replacing stretches, and keeps how: an offset map is a few numbers a stretch, and none
for characters that were replaced one by one. Where a finding is never made, its view's map is never built.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable

from gateway.core.views import FOLDED, RAW

# A stretch [start, end) of the text beneath, how many characters of the view it became, and how those lie in it:
# 1, 2, 3 … original characters each, in order; -1 one each, from the end; 0 all of them stand for all of it.
Piece = tuple[int, int, int, int]


class OffsetMap:
    """Where the characters of one text lie in the one beneath it.

    Args:
        pieces: In order; what lies between them became itself, or nothing when the map is sparse.
        sparse: Only pieces are in the view.
    """

    __slots__ = ("_ends", "_places", "_starts", "_steps")

    def __init__(self, pieces: Iterable[Piece], *, sparse: bool = False) -> None:
        # Runs by their place in the view; those without characters are left out.
        self._places, self._starts, self._ends = array("I"), array("I"), array("I")
        self._steps = array("b")
        at = beneath = 0
        for start, end, chars, step in pieces:
            if start > beneath and not sparse:
                self._add(at, beneath, start, 1)
                at += start - beneath
            if chars:
                self._add(at, start, end, step)
                at += chars
            beneath = end
        if not sparse:
            self._add(at, beneath, beneath, 1)

    def __len__(self) -> int:
        """How many runs it has."""
        return len(self._places)

    def _add(self, at: int, start: int, end: int, step: int) -> None:
        self._places.append(at)
        self._starts.append(start)
        self._ends.append(end)
        self._steps.append(step)

    def beneath(self, start: int, end: int) -> tuple[int, int]:
        """Return the stretch beneath that a stretch of at least one character was made of."""
        first, last = self._run(start), self._run(end - 1)
        if first == last:
            places = (*self._char(first, start), *self._char(first, end - 1))
        else:
            # Runs follow each other as in the text beneath; only within one may the order be turned.
            begin = self._starts[first] if self._steps[first] < 0 else self._char(first, start)[0]
            stop = self._ends[last] if self._steps[last] < 0 else self._char(last, end - 1)[1]
            places = (begin, stop)
        return min(places), max(places)

    def _run(self, place: int) -> int:
        return max(0, bisect_right(self._places, place) - 1)

    def _char(self, run: int, place: int) -> tuple[int, int]:
        step, offset = self._steps[run], place - self._places[run]
        if step > 0:
            start = self._starts[run] + offset * step
            return start, start + step
        if step < 0:
            end = self._ends[run] - offset
            return end - 1, end
        return self._starts[run], self._ends[run]


class View:
    """A text made of another.

    Attributes:
        kind: The last thing that was done, one of :data:`gateway.core.views.VIEW_NAMES`.
        name: Everything that was done, outermost first.
        text: The result.
        tight: Nothing but letters and digits is left, and ``l`` is ``i``: for expressions without gaps.
        depth: How many times it was decoded.
    """

    __slots__ = ("_map", "_parent", "depth", "kind", "name", "text", "tight")

    def __init__(
        self,
        kind: str,
        text: str,
        parent: View | None = None,
        build_map: Callable[[], OffsetMap] | None = None,
        *,
        tight: bool = False,
    ) -> None:
        self.kind = kind
        self.text = text
        self.tight = tight
        self.depth = parent.depth if parent else 0
        self.name = kind
        self._parent = parent
        # Built when first asked for; ``None`` when every character became one character.
        self._map: OffsetMap | Callable[[], OffsetMap] | None = build_map
        if parent is not None and parent.name not in (RAW, FOLDED):
            same = kind == FOLDED or parent.name.endswith(kind)
            self.name = parent.name if same else f"{parent.name}+{kind}"

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Return the stretch of the original that a stretch ``[start, end)`` of the view was made of.

        It reaches from the first to the last character that had a part in it.
        """
        view = self
        while end > start and view._parent is not None:
            if view._map is not None:
                if not isinstance(view._map, OffsetMap):
                    view._map = view._map()
                start, end = view._map.beneath(start, end)
            view = view._parent
        return start, end
