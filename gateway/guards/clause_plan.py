"""Which rules over a streamed answer are judged clause by clause, and what waits for them.

Those whose detectors are models, and perhaps rules and patterns beside them; that want one hit and no more (``or``);
and that edit nothing: a clause leaves as it is, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec

from gateway.core.ports import Channel
from gateway.core.scored import stream_mode
from gateway.core.segments import Kind
from gateway.guards.kit import Asker, Kit
from gateway.guards.rules import Rule, admits
from gateway.guards.screening import Screening
from gateway.plugin.guard import About

_MAX_KINDS = 64
_KINDS: dict[str, Kind] = {
    "text": "text",
    "reasoning": "reasoning",
    "refusal": "refusal",
    "tool_name": "tool_name",
    "tool_argument": "tool_argument",
}
# Clauses that may leave before they are judged: none; or the one that is being judged and the next.
STRICT, BALANCED = 0, 2


class Sided(Protocol):
    """The rules of answers; :class:`gateway.guards.plan.Side`."""

    kit: Kit
    asks: tuple[str, ...]
    prompt: tuple[Rule, ...]


class ClauseKind(msgspec.Struct, frozen=True):
    """What is asked about the clauses of one kind of text.

    Attributes:
        about: The kind.
        rules: Judge them.
        askers: Models that are asked.
        screening: Finds what rules and patterns find; ``None`` where no rule names any.
    """

    about: About
    rules: tuple[Rule, ...]
    askers: tuple[Asker, ...]
    screening: Screening | None


class ClausePlan:
    """The rules of one class of exchanges that are judged by clause.

    Args:
        kit: The bundle's detectors.
        rules: As :func:`clausal` gives them.
        asks: Models that must have spoken before an answer goes on.

    Attributes:
        lag: How many clauses may leave unjudged; ``None`` when no rule stops anything, and nothing waits.
    """

    __slots__ = ("_kinds", "asks", "kit", "lag", "rules")

    def __init__(self, kit: Kit, rules: tuple[Rule, ...], asks: Iterable[str]) -> None:
        self.kit = kit
        self.rules = rules
        self.asks = tuple(asks)
        self._kinds: dict[tuple[str, str], ClauseKind | None] = {}
        stopping = [rule for rule in rules if stops(rule, kit)]
        modes = {
            stream_mode(kit.askers[name].holder.spec) for rule in stopping for name in rule.names if name in kit.askers
        }
        self.lag = None if not stopping else STRICT if "strict" in modes else BALANCED

    def of(self, channel: Channel) -> ClauseKind | None:
        """Return what is asked about a channel; ``None`` when nothing is."""
        kind = _KINDS.get(channel[1].partition("/")[0], "leaf")
        tool = channel[2] if len(channel) > 2 else ""
        key = (kind, tool)
        if key not in self._kinds:
            if len(self._kinds) >= _MAX_KINDS:
                del self._kinds[next(iter(self._kinds))]
            self._kinds[key] = self._make(kind, tool)
        return self._kinds[key]

    def _make(self, kind: Kind, tool: str) -> ClauseKind | None:
        rules = tuple(rule for rule in self.rules if admits(rule.spec.match, "assistant", kind, tool))
        if not rules:
            return None
        named = frozenset(name for rule in rules for name in rule.names)
        about = About("response", "assistant", kind, tool)
        kit = self.kit
        found = frozenset(name for name in named if name in kit.local or name not in kit.askers)
        screening = Screening(kit.matcher, (), about=about, runners=kit.runners, watched=found) if found else None
        return ClauseKind(about, rules, tuple(kit.askers[name] for name in self.asks if name in named), screening)


def stops(rule: Rule, kit: Kit) -> bool:
    """Whether a rule may end a stream, by itself or by its points."""
    return rule.blocks or (rule.acts and rule.points > 0 and kit.thresholds("response").block is not None)


def clausal(side: Sided) -> tuple[Rule, ...]:
    """Return the rules that are judged by clause; none where another rule holds the stream to its end anyway."""
    mine = tuple(rule for rule in side.prompt if _by_clause(rule, side.kit))
    others = [rule for rule in side.prompt if rule not in mine]
    held = any(rule.acts and (rule.edits or rule.blocks or rule.points) for rule in others)
    return () if held else mine


def _by_clause(rule: Rule, kit: Kit) -> bool:
    if not rule.local or rule.edits:
        return False
    over_all = [name for name in rule.names if kit.whole(name, "response")]
    return bool(over_all) and all(name in kit.askers and kit.askers[name].modelled for name in over_all)
