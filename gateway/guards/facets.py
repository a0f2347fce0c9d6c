"""Which facts of an exchange the rules of a bundle depend on, as a key by which plans are remembered.

A fact that no rule asks for is no part of the key. Tags and sessions, of which there is no end, are never part of it
themselves: only what rules make of them is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

from gateway.core.matching import matches_tags
from gateway.core.verdict import ANY, CallFacts, Canary, Globs, Match, RuleSpec
from gateway.guards.rules import chosen

_LABELS = ("route", "model", "provider", "key", "team")


class Facets:
    """What rules ask.

    Args:
        specs: All rules of a bundle.
        matches: What else of it is for some exchanges only.

    Attributes:
        asks_taint: A rule asks whether a session is tainted.
        varies: Calls of one caller for one model may be under different rules.
    """

    __slots__ = ("_canaries", "_labels", "_plain", "_tags", "asks_taint", "varies")

    def __init__(self, specs: Sequence[RuleSpec], matches: Iterable[Match] = ()) -> None:
        asked = [spec.match for spec in specs] + [each.match for spec in specs for each in spec.exclusions]
        asked += matches
        self._labels = tuple(name for name in _LABELS if any(getattr(match, name) != ANY for match in asked))
        names = [*self._labels]
        names += ["stream"] if any(match.stream is not None for match in asked) else []
        self.asks_taint = any(match.tainted is not None for match in asked)
        names += ["tainted"] if self.asks_taint else []
        names += ["strict"] if any(spec.mode != "enforce" for spec in specs) else []
        self._plain: Callable[[CallFacts], Any] = attrgetter(*names) if names else _nothing
        self._tags: tuple[Globs, ...] = _distinct(asked)
        self._canaries: tuple[tuple[str, Canary], ...] = tuple(
            (spec.id, spec.canary) for spec in specs if spec.mode == "canary" and spec.canary is not None
        )

        self.varies = bool(
            self._tags
            or self.asks_taint
            or "stream" in names
            or any(canary.sticky_by == "session" for _, canary in self._canaries)
        )

    def key(self, facts: CallFacts) -> Any:
        """Return what tells exchanges apart for the rules."""
        plain = self._plain(facts)
        if not self._tags and not self._canaries:
            return plain
        tags = tuple(matches_tags(globs, facts.tags) for globs in self._tags)
        return plain, tags, tuple(chosen(rule, canary, facts) for rule, canary in self._canaries)

    def size(self, facts: CallFacts) -> int:
        """Return how many characters of an exchange's own a key of it holds."""
        return sum(len(getattr(facts, name)) for name in self._labels)


def _nothing(facts: CallFacts) -> None:
    """The key of all exchanges where rules ask nothing."""
    del facts


def _distinct(asked: Sequence[Match]) -> tuple[Globs, ...]:
    found: list[Globs] = []
    for match in asked:
        if match.tag != ANY and match.tag not in found:
            found.append(match.tag)
    return tuple(found)
