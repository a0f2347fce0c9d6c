"""Matches in a text that may go on, and what overlapping ones make together."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gateway.guards.validators import Growth, Tail


class Mark(msgspec.Struct, frozen=True):
    """What a match says, wherever it stands.

    Attributes:
        number: Of the detector.
        detector: Its name.
        kind: What was found, in the detector's own terms.
        label: What stands in its place when it is redacted, without brackets.
        rank: Of two matches that begin at one place, the lower one gives the name.
        score: How sure the detector is; ``None`` where it does not weigh.
        view: The view in which it showed; empty for the text as it stands.
        replacement: What a rewrite puts in its place; ``None`` when the detector offers nothing.
    """

    number: int
    detector: str
    kind: str
    label: str
    rank: int = 0
    score: float | None = None
    view: str = ""
    replacement: str | None = None


class Hit(msgspec.Struct, frozen=True):
    """A stretch ``[start, end)`` of a text, in code points, that a detector has found."""

    detector: str
    pattern: str
    label: str
    start: int
    end: int
    score: float | None = None
    view: str = ""
    replacement: str | None = None
    # It is recorded and sets nothing off.
    advisory: bool = False


class Cover:
    """One match that stands, in a text that may go on.

    Attributes:
        start: First character, counted from the beginning of the whole text.
        end: Character after the last, as far as is known.
        mark: What it is.
        growth: How it goes on; ``None`` once its end is known.
        begin: Where the expression's own match begins; ``start`` is where what it hides begins.
        waits: Whether it stands depends on where it ends, and that is not known yet.
    """

    __slots__ = ("_origin", "begin", "end", "growth", "mark", "start", "waits")

    def __init__(self, start: int, end: int, mark: Mark, growth: Growth | None = None) -> None:
        self.start = self.begin = start
        self.end = self._origin = end
        self.mark = mark
        self.growth = growth
        self.waits = False

    def extend(self, text: str, base: int, *, final: bool) -> None:
        """Go on over a text whose first character is number ``base`` of the whole, and which ends here if final."""
        if self.growth is not None:
            end, settled = self.growth.reach(text, self.end - base, self._origin - base)
            self.end = end + base
            if settled or final:
                self.growth = None

    def follow(self, leader: Cover) -> bool:
        """Go on as far as an earlier match that goes on over the same characters; say no when it ended before."""
        if self.end > leader.end:
            return False
        self.end, self.growth = leader.end, leader.growth
        return True


def leading(covers: Iterable[Cover]) -> list[Cover]:
    """Return the matches that still go on; of those that will end together, the first.

    The others are told that they ended: they overlap the first, so what they are part of ends where it does. Without
    this, a text that is nothing but beginnings would cost its length for each of them.
    """
    firsts: dict[tuple[int, int], Cover] = {}
    going: list[Cover] = []
    for cover in covers:
        if cover.growth is None:
            continue
        alike = cover.mark.number, id(cover.growth)
        if isinstance(cover.growth, Tail) and firsts.setdefault(alike, cover) is not cover:
            cover.growth = None
        else:
            going.append(cover)
    return going


class Cluster:
    """Matches that overlap; named after the first."""

    __slots__ = ("_growing", "end", "mark", "start")

    def __init__(self, cover: Cover) -> None:
        self.start = cover.start
        self.mark = cover.mark
        self.end = cover.end
        self._growing = [cover] if cover.growth is not None else []

    def takes(self, cover: Cover) -> bool:
        """Add a match that begins inside; say no when it begins behind."""
        if cover.start >= self.end and not self._growing:
            return False
        self.end = max(self.end, cover.end)
        if cover.growth is not None:
            self._growing.append(cover)
        return True

    def refresh(self) -> bool:
        """Take over the ends of matches that went on; return whether some still may."""
        if self._growing:
            self.end = max(self.end, *[cover.end for cover in self._growing])
            self._growing = [cover for cover in self._growing if cover.growth is not None]
        return bool(self._growing)

    def hit(self) -> Hit:
        """Describe it."""
        self.refresh()
        mark = self.mark
        return Hit(
            mark.detector, mark.kind, mark.label, self.start, self.end, mark.score, mark.view, mark.replacement
        )  # fmt: skip


def in_order(cover: Cover) -> tuple[int, int]:
    """Order matches by where they begin, then by priority."""
    return cover.start, cover.mark.rank


def clusters(covers: list[Cover]) -> dict[int, list[Cluster]]:
    """Join matches to clusters, detector by detector; the matches come in order."""
    made: dict[int, list[Cluster]] = {}
    for cover in covers:
        known = made.get(cover.mark.number)
        if known is None:
            made[cover.mark.number] = [Cluster(cover)]
        elif not known[-1].takes(cover):
            known.append(Cluster(cover))
    return made
