"""Detectors over one text: all their expressions in one pass, then checks on the few candidates.

Matches of one detector that overlap are one hit: where two secrets run into each other, nothing of the second is left.
Two hits that touch stay two. A hit is named after the match that begins first; of several that begin at one place,
after the one whose pattern comes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from gateway.clients.hyperscan import Expression, Found, PatternDatabase
from gateway.core.errors import Misconfigured
from gateway.core.pattern_width import OTHER, PatternRefused, Shape, bound_gaps, shape
from gateway.core.verdict import DetectorSpec, PatternSpec
from gateway.guards.nearby import REACH, Nearby
from gateway.guards.pending import Opening, Pending
from gateway.guards.validators import BOUNDED, CHECKS, LOOK_BACK, NO_CHECK, Check, Closer, Growth, free, with_entropy


class Hit(msgspec.Struct, frozen=True):
    """A stretch ``[start, end)`` of a text, in code points, that a detector has found."""

    detector: str
    pattern: str
    label: str
    start: int
    end: int


class Cover:
    """One match that stands, in a text that may go on.

    Attributes:
        start: First character, counted from the beginning of the whole text.
        end: Character after the last, as far as is known.
        rank: The pattern's number.
        growth: How it goes on; ``None`` once its end is known.
    """

    __slots__ = ("_origin", "end", "growth", "rank", "start")

    def __init__(self, start: int, end: int, rank: int, growth: Growth | None) -> None:
        self.start = start
        self.end = self._origin = end
        self.rank = rank
        self.growth = growth

    def extend(self, text: str, base: int, *, final: bool) -> None:
        """Go on over a text whose first character is number ``base`` of the whole, and which ends here if final."""
        if self.growth is not None:
            end, settled = self.growth.reach(text, self.end - base, self._origin - base)
            self.end = end + base
            if settled or final:
                self.growth = None


class Cluster:
    """Matches that overlap."""

    __slots__ = ("_growing", "end", "rank", "start")

    def __init__(self, cover: Cover) -> None:
        self.start = cover.start
        self.rank = cover.rank
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


class _Pattern(msgspec.Struct, frozen=True):
    """A compiled pattern: whose it is, what it is, how it is checked and how it goes on.

    Attributes:
        inner: Finds the other beginnings of a match, where there may be several for one end.
        nearby: Finds the words of which one must stand before it.
    """

    detector: int
    spec: PatternSpec
    check: Check
    growth: Growth | None
    shape: Shape
    inner: re.Pattern[str] | None
    nearby: Nearby | None

    def narrow(self, text: str, begin: int, end: int) -> tuple[int, int] | None:
        """Return what is secret in a candidate, or ``None`` when it does not stand."""
        if self.nearby is not None and not self.nearby.before(text, begin):
            return None
        return self.check.narrow(text, begin, end)

    def begin(self, text: str, start: int, end: int) -> int:
        """Return where a candidate begins.

        It comes with its leftmost beginning only; where no token can begin there, the first later one is taken.
        """
        before = self.check.before
        if self.inner is not None and not free(text, start, before):
            at = start
            while found := self.inner.search(text, at + 1, end):
                at = found.start()
                if free(text, at, before) and self.inner.fullmatch(text, at, end):
                    return at
        return start


class Matcher:
    """All patterns of some detectors, compiled. Belongs to one thread.

    Args:
        detectors: In order of priority.

    Raises:
        Misconfigured: A pattern cannot run; the message names it.
    """

    __slots__ = ("_database", "_patterns", "context", "detectors", "numbers")

    def __init__(self, detectors: Sequence[DetectorSpec]) -> None:
        self.detectors = tuple(spec.name for spec in detectors)
        self.numbers = {name: number for number, name in enumerate(self.detectors)}
        self._patterns = tuple(
            _compile(number, detector, spec) for number, detector in enumerate(detectors) for spec in detector.patterns
        )
        self._database = (
            PatternDatabase([_expression(pattern) for pattern in self._patterns]) if self._patterns else None
        )
        longest = max((max(p.shape.longest, len(p.spec.closes)) for p in self._patterns), default=0)
        # A scan that begins this far to the left of a place sees every match that goes beyond it from its true start.
        self.context = longest + max(LOOK_BACK, REACH if any(pattern.nearby for pattern in self._patterns) else 0)

    def quick(self, text: str) -> bool:
        """Return whether there is any candidate; false is certain."""
        return self._database is not None and bool(self._database.scan(text.encode("utf-8", "replace")))

    def scan(self, text: str) -> list[Found]:
        """Return all candidates, offsets in code points. The list is the next scan's too."""
        if self._database is None:
            return []
        data = text.encode("utf-8", "replace")
        found = self._database.scan(data)
        return _code_points(data, found) if found and len(data) != len(text) else found

    def stand(
        self, text: str, found: Iterable[Found], base: int, window: tuple[int, int], *, final: bool
    ) -> list[Cover]:
        """Check candidates in a text whose first character is number ``base`` of the whole.

        Args:
            text: What is at hand.
            found: Candidates in it, with offsets in it.
            base: As said.
            window: Only matches that begin at or behind its first place, and before its second.
            final: Nothing follows the text.

        Returns:
            The matches that stand, by start and pattern, counted in the whole text.
        """
        low, high = window
        covers: list[Cover] = []
        for number, start, end in found:
            pattern = self._patterns[number]
            begin = pattern.begin(text, start, end)
            secret = pattern.narrow(text, begin, end) if low <= begin < high else None
            if secret is not None:
                cover = Cover(secret[0] + base, secret[1] + base, number, pattern.growth)
                cover.extend(text, base, final=final)
                covers.append(cover)
        if len(covers) > 1:
            covers.sort(key=in_order)
        return covers

    def covers(self, text: str) -> list[Cover]:
        """Return all matches that stand in a text that is whole, by start and pattern."""
        found = self.scan(text)
        return self.stand(text, found, 0, (0, len(text)), final=True) if found else []

    def hits(self, covers: list[Cover], detector: int) -> list[Hit]:
        """Return the hits that one detector's matches make, given all matches in order."""
        clusters: list[Cluster] = []
        for cover in covers:
            if self._patterns[cover.rank].detector == detector and not (clusters and clusters[-1].takes(cover)):
                clusters.append(Cluster(cover))
        return [self.hit(cluster) for cluster in clusters]

    def hit(self, cluster: Cluster) -> Hit:
        """Describe a cluster."""
        pattern = self._patterns[cluster.rank]
        cluster.refresh()
        return Hit(self.detectors[pattern.detector], pattern.spec.name, pattern.spec.label, cluster.start, cluster.end)

    def find(self, text: str) -> list[Hit]:
        """Return all hits in a text, by start."""
        covers = self.covers(text)
        if not covers:
            return []
        hits = [hit for detector in range(len(self.detectors)) for hit in self.hits(covers, detector)]
        return sorted(hits, key=lambda hit: hit.start)

    def detector(self, rank: int) -> int:
        """Return the number of the detector that a pattern belongs to."""
        return self._patterns[rank].detector

    def marker(self, rank: int) -> str:
        """Return what replaces a hit of a pattern."""
        return f"[{self._patterns[rank].spec.label}]"

    def pending(self, detectors: frozenset[int]) -> Pending:
        """Build what tells how much of a stream's tail these detectors need."""
        wanted = [pattern for pattern in self._patterns if pattern.detector in detectors]
        return Pending(Opening(pattern.shape, pattern.check.before in BOUNDED) for pattern in wanted)


def in_order(cover: Cover) -> tuple[int, int]:
    """Order matches by where they begin, then by their patterns' priority."""
    return cover.start, cover.rank


def _compile(number: int, detector: DetectorSpec, spec: PatternSpec) -> _Pattern:
    name = f"{detector.name}/{spec.name}"
    try:
        known = shape(spec.expression)
    except PatternRefused as refused:
        raise Misconfigured(f"Pattern {name}: {refused}.") from None
    if known.longest > spec.max_chars:
        raise Misconfigured(f"Pattern {name}: a match may have {known.longest} characters, not {spec.max_chars}.")
    check = CHECKS.get(spec.validator) if spec.validator else NO_CHECK
    if check is None:
        raise Misconfigured(f"Pattern {name}: there is no validator '{spec.validator}'.")
    check = with_entropy(check, spec.entropy)
    if spec.opens and not spec.closes:
        raise Misconfigured(f"Pattern {name}: it opens a secret that nothing closes.")
    # Only the catalogue's expressions have checks; all of them mean the same to the standard library.
    inner = re.compile(bound_gaps(spec.expression), re.ASCII) if check.before and not known.fixed else None
    growth = Closer(spec.closes) if spec.opens else check.tail
    return _Pattern(number, spec, check, growth, known, inner, Nearby(spec.context) if spec.context else None)


def _expression(pattern: _Pattern) -> Expression:
    return Expression(bound_gaps(pattern.spec.expression), unicode=bool(pattern.shape.consumed & OTHER))


def _code_points(data: bytes, found: list[Found]) -> list[Found]:
    """Turn byte offsets into code points, reading the text once."""
    places: dict[int, int] = {}
    at = chars = 0
    for place in sorted({place for _, start, end in found for place in (start, end)}):
        chars += len(data[at:place].decode("utf-8", "replace"))
        places[place] = chars
        at = place
    return [(number, places[start], places[end]) for number, start, end in found]
