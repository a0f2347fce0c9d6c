"""Expressions of one's own over views of a text, not only over the text as it stands.

Where a policy asks for the text as it stands only, they run with all others in one database, and on streams.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence

from gateway.clients.hyperscan import Expression, PatternDatabase
from gateway.core.errors import Misconfigured
from gateway.core.pattern_width import OTHER, PatternRefused, bound_gaps, shape
from gateway.core.verdict import DetectorSpec
from gateway.core.views import RAW, VIEW_NAMES
from gateway.guards.views.normaliser import Normaliser
from gateway.guards.views.view import View
from gateway.plugin.guard import About, Finding

# A text full of matches says no more with more of them; it is cut where the rest begins.
MOST_FINDINGS = 1000


class TooMany(Exception):
    """A text has more matches, or asks for more views, than are looked at."""


class PatternViews:
    """Finds expressions in views.

    Attributes:
        name: As rules call it.

    Args:
        name: As rules call it.
        expressions: In Hyperscan's syntax.
        views: Which views are read.

    Raises:
        Misconfigured: An expression cannot run; the message says why.
    """

    __slots__ = ("_database", "_kinds", "_label", "_normaliser", "name")

    def __init__(self, name: str, expressions: Sequence[str], views: Collection[str]) -> None:
        self.name = name
        self._label = name.upper().replace("-", "_")
        count = len(expressions)
        self._kinds = [self._label if count == 1 else f"{self._label}_{number + 1}" for number in range(count)]
        self._normaliser = Normaliser(views)
        self._database = PatternDatabase([_expression(name, expression) for expression in expressions])

    def find(self, text: str, about: About) -> list[Finding]:
        """Return all findings, by start; where several views show the same place, the first one counts.

        Raises:
            TooMany: See there.
        """
        made = self._normaliser.views(text)
        findings: list[Finding] = []
        # In order, and none overlaps another.
        taken: list[tuple[int, int]] = []
        for view in made:
            for number, start, end in self._in_view(view):
                low, high = view.original(start, end)
                at = bisect_left(taken, (low, high))
                if (at and taken[at - 1][1] > low) or (at < len(taken) and taken[at][0] < high):
                    continue
                taken.insert(at, (low, high))
                findings.append(self._finding(number, low, high, view))
                if len(findings) > MOST_FINDINGS:
                    raise TooMany
        if not findings and not made.whole:
            raise TooMany
        findings.sort(key=lambda finding: (finding.start, finding.end))
        return findings

    def read_views(self, text: str) -> tuple[str, ...]:
        """Name the views of a text that it reads."""
        return tuple(dict.fromkeys(view.name for view in self._normaliser.views(text)))

    def _in_view(self, view: View) -> list[tuple[int, int, int]]:
        """Return matches in code points, by start, the longest first; of those that overlap, the first."""
        data = view.text.encode("utf-8", "replace")
        found = sorted(self._database.scan(data), key=lambda each: (each[1], -each[2], each[0]))
        matches: list[tuple[int, int, int]] = []
        at = chars = reached = 0
        for number, start, end in found:
            if start < reached or start == end:
                continue
            chars += len(data[at:start].decode("utf-8", "replace"))
            size = len(data[start:end].decode("utf-8", "replace"))
            matches.append((number, chars, chars + size))
            at, reached = start, end
        return matches

    def _finding(self, number: int, start: int, end: int, view: View) -> Finding:
        shown = "" if view.name == RAW else view.name
        return Finding(kind=self._kinds[number], start=start, end=end, label=self._label, view=shown)


def build(spec: DetectorSpec) -> PatternViews:
    """Build the detector.

    Raises:
        Misconfigured: There is no such view, or an expression cannot run.
    """
    views: list[str] = spec.options.get("views") or [RAW]
    wanted = VIEW_NAMES if "all" in views else views
    if unknown := sorted(set(wanted) - set(VIEW_NAMES)):
        raise Misconfigured(f"Detector '{spec.name}': there is no view '{unknown[0]}'.")
    expressions = spec.options.get("patterns") or [pattern.expression for pattern in spec.patterns]
    return PatternViews(spec.name, expressions, wanted)


def _expression(name: str, expression: str) -> Expression:
    try:
        consumed = shape(expression).consumed
    except PatternRefused as refused:
        raise Misconfigured(f"Detector '{name}': {refused}.") from None
    return Expression(bound_gaps(expression), unicode=bool(consumed & OTHER))
