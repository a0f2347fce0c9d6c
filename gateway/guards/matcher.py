"""Detectors over one text: all their expressions in one pass, then checks on the few candidates.

Matches of one detector that overlap are one hit: where two secrets run into each other, nothing of the second is left.
Two hits that touch stay two. A hit is named after the match that begins first; of several that begin at one place,
after the one whose pattern comes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import translate
from importlib import import_module

import msgspec

from gateway.clients.hyperscan import Expression, Found, PatternDatabase, PatternDatabases
from gateway.core.errors import Misconfigured
from gateway.core.pattern_width import OTHER, PatternRefused, Shape, bound_gaps, shape
from gateway.core.verdict import DetectorSpec, PatternSpec
from gateway.guards.cover import Cover, Hit, Mark, clusters, in_order
from gateway.guards.nearby import REACH, Nearby
from gateway.guards.pending import Opening, Pending
from gateway.guards.shared import Shared, spread
from gateway.guards.validators import (
    BOUNDED,
    CHECKS,
    LOOK_BACK,
    NO_CHECK,
    Check,
    Closer,
    Growth,
    Tail,
    free,
    with_entropy,
)

# A sample that a policy allows is not longer; the rest of a longer token is not read to find out.
ALLOW_CHARS = 256
# Checks of personal data: a room of their own, loaded when a bundle first names one.
_PII_CHECKS = "gateway.guards.pii.checks"
# A check of a number takes ten to twenty microseconds, since a number may be many things.
MANY = 150
# Detectors whose patterns come with the product.
_CATALOGUED = frozenset({"secrets", "pii"})


class _Pattern(msgspec.Struct, frozen=True):
    """A compiled pattern: whose it is, what it is, how it is checked and how it goes on.

    Attributes:
        inner: Finds the other beginnings of a match, where there may be several for one end.
        nearby: Finds the words of which one must stand before it.
        allow: Matches what is not to be reported.
        catalogued: It comes with the product.
    """

    mark: Mark
    spec: PatternSpec
    check: Check
    growth: Growth | None
    shape: Shape
    inner: re.Pattern[str] | None
    nearby: Nearby | None
    allow: re.Pattern[str] | None
    catalogued: bool

    def narrow(self, text: str, begin: int, end: int) -> tuple[int, int] | None:
        """Return what is secret in a candidate, or ``None`` when it does not stand."""
        check, nearby = self.check, self.nearby
        if nearby is None:
            return check.narrow(text, begin, end)
        # Most candidates fail their check, which mostly costs less than a look at the words.
        if check.costly:
            return check.narrow(text, begin, end) if nearby.before(text, begin) else None
        secret = check.narrow(text, begin, end)
        return secret if secret is not None and nearby.before(text, begin) else None

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

    def stands(self, cover: Cover, text: str, base: int) -> bool:
        """Say whether a match is none of the samples that a policy allows; where it has no end yet, it waits."""
        if self.allow is not None and cover.end - cover.start < ALLOW_CHARS:
            if cover.growth is not None:
                cover.waits = True
            elif self.allow.match(text[cover.start - base : cover.end - base]):
                return False
        return True


class Matcher:
    """All patterns of some detectors, compiled. Belongs to one thread.

    Args:
        detectors: In order of priority.

    Raises:
        Misconfigured: A pattern cannot run; the message names it.
    """

    __slots__ = (
        "_database", "_patterns", "_pending", "_shared", "context", "dear", "detectors", "expressions", "numbers",
        "ranks", "specs",
    )  # fmt: skip

    def __init__(self, detectors: Sequence[DetectorSpec]) -> None:
        self.specs = tuple(detectors)
        self.detectors = tuple(spec.name for spec in detectors)
        self.numbers = {name: number for number, name in enumerate(self.detectors)}
        self._patterns = _compiled(detectors)
        self._pending: dict[frozenset[int], Pending] = {}
        # Patterns that share an expression, and differ in their checks, share its candidates.
        expressions: dict[Expression, list[int]] = {}
        for number, pattern in enumerate(self._patterns):
            expressions.setdefault(_expression(pattern), []).append(number)
        self.expressions = tuple(expressions)
        catalogued = [self._patterns[numbers[0]].catalogued for numbers in expressions.values()]
        self._database = _database(self.expressions, catalogued)
        self._shared: tuple[Shared, ...] = ()
        if len(expressions) < len(self._patterns) or any(pattern.check.sizes for pattern in self._patterns):
            sizes = [pattern.check.sizes for pattern in self._patterns]
            self._shared = tuple(
                Shared((number, sizes[number]) for number in numbers) for numbers in expressions.values()
            )
        longest = max((max(p.shape.longest, len(p.spec.closes)) for p in self._patterns), default=0)
        # A scan that begins this far to the left of a place sees every match that goes beyond it from its true start.
        self.context = longest + max(LOOK_BACK, REACH if any(pattern.nearby for pattern in self._patterns) else 0)
        # A candidate may be many things; those of any other pattern need no more than a look.
        self.dear = any(pattern.check.sizes for pattern in self._patterns)
        # Ranks from here on are free for what other detectors find.
        self.ranks = len(self._patterns)

    @property
    def analysed(self) -> Iterator[str]:
        """Every expression whose shape was asked for."""
        for pattern in self._patterns:
            yield pattern.spec.expression
            if pattern.check.reads:
                yield pattern.spec.expression + pattern.check.reads

    def quick(self, text: str) -> bool:
        """Return whether there is any candidate; false is certain."""
        return self._database is not None and self._database.any(text.encode("utf-8", "replace"))

    def dense(self, text: str) -> bool:
        """Return whether checking the candidates of a text would take milliseconds: it is full of numbers, mostly."""
        return (
            self.dear and self._database is not None and self._database.more_than(MANY, text.encode("utf-8", "replace"))
        )

    @property
    def full(self) -> bool:
        """Whether the last scan was given up: the text is made of candidates, and not all of them are known."""
        return self._database is not None and self._database.full

    def scan(self, text: str) -> list[Found]:
        """Return all candidates, offsets in code points. The list is the next scan's too."""
        if self._database is None:
            return []
        data = text.encode("utf-8", "replace")
        found = self._database.scan(data)
        if found and len(data) != len(text):
            found = _code_points(data, found)
        return spread(text, found, self._shared) if self._shared and found else found

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
        leaders: dict[int, Cover] = {}
        for number, start, end in found:
            pattern = self._patterns[number]
            begin = pattern.begin(text, start, end)
            secret = pattern.narrow(text, begin, end) if low <= begin < high else None
            if secret is not None:
                cover = Cover(secret[0] + base, secret[1] + base, pattern.mark, pattern.growth)
                cover.begin = begin + base
                leader = leaders.get(id(pattern.growth))
                if leader is None or not cover.follow(leader):
                    cover.extend(text, base, final=final)
                    if isinstance(pattern.growth, Tail):
                        leaders[id(pattern.growth)] = cover
                if pattern.allow is None or pattern.stands(cover, text, base):
                    covers.append(cover)
        if len(covers) > 1:
            covers.sort(key=in_order)
        return covers

    def covers(self, text: str) -> list[Cover]:
        """Return all matches that stand in a text that is whole, by start and pattern."""
        found = self.scan(text)
        return self.stand(text, found, 0, (0, len(text)), final=True) if found else []

    def find(self, text: str) -> list[Hit]:
        """Return all hits in a text, by start."""
        covers = self.covers(text)
        hits = [cluster.hit() for joined in clusters(covers).values() for cluster in joined]
        return sorted(hits, key=lambda hit: hit.start)

    def detector(self, rank: int) -> int:
        """Return the number of the detector that a pattern belongs to."""
        return self._patterns[rank].mark.number

    def pending(self, detectors: frozenset[int]) -> Pending:
        """Give what tells how much of a stream's tail these detectors need."""
        known = self._pending.get(detectors)
        if known is None:
            wanted = [pattern for pattern in self._patterns if pattern.mark.number in detectors]
            known = Pending(Opening(pattern.shape, pattern.check.before in BOUNDED) for pattern in wanted)
            self._pending[detectors] = known
        return known


def _database(
    expressions: Sequence[Expression], catalogued: Sequence[bool]
) -> PatternDatabase | PatternDatabases | None:
    """Compile expressions: those of the catalogues together, which stay the same, and those that people write."""
    if not expressions:
        return None
    if len(set(catalogued)) == 1:
        return PatternDatabase(expressions)
    parts = ([number for number, each in enumerate(catalogued) if each is part] for part in (True, False))
    return PatternDatabases([PatternDatabase([expressions[each] for each in part], part) for part in parts])


def _compiled(detectors: Sequence[DetectorSpec]) -> tuple[_Pattern, ...]:
    made: list[_Pattern] = []
    for number, detector in enumerate(detectors):
        for spec in detector.patterns:
            if spec.score is None or spec.score >= detector.min_score:
                mark = Mark(number, detector.name, spec.name, spec.label, len(made), spec.score)
                made.append(_compile(mark, spec, catalogued=detector.use in _CATALOGUED))
    return tuple(made)


def _compile(mark: Mark, spec: PatternSpec, *, catalogued: bool) -> _Pattern:
    name = f"{mark.detector}/{spec.name}"
    try:
        known = shape(spec.expression)
    except PatternRefused as refused:
        raise Misconfigured(f"Pattern {name}: {refused}.") from None
    if known.longest > spec.max_chars:
        raise Misconfigured(f"Pattern {name}: a match may have {known.longest} characters, not {spec.max_chars}.")
    check = _check(spec.validator)
    if check is None:
        raise Misconfigured(f"Pattern {name}: there is no validator '{spec.validator}'.")
    check = with_entropy(check, spec.entropy)
    if check.reads:
        known = shape(spec.expression + check.reads)
    if spec.opens and not spec.closes:
        raise Misconfigured(f"Pattern {name}: it opens a secret that nothing closes.")
    # Only the catalogue's expressions have checks; all of them mean the same to the standard library.
    inner = re.compile(bound_gaps(spec.expression), re.ASCII) if check.before and not known.fixed else None
    return _Pattern(
        mark,
        spec,
        check,
        Closer(spec.closes) if spec.opens else check.tail,
        known,
        inner,
        Nearby(spec.context) if spec.context else None,
        re.compile("|".join(map(translate, spec.allow))) if spec.allow else None,
        catalogued,
    )


def _check(name: str) -> Check | None:
    if not name:
        return NO_CHECK
    known = CHECKS.get(name)
    if known is None:
        known = import_module(_PII_CHECKS).pii_check(name)
    return known


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
