"""Rules made ready to run: where they apply, what their expressions need, and how strong they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from typing import get_args

import msgspec

from gateway.core.segments import Direction
from gateway.core.verdict import Action, CallFacts, Globs, RuleSpec, When

STRENGTH: dict[Action, int] = {action: strength for strength, action in enumerate(get_args(Action))}


class Rule(msgspec.Struct, frozen=True):
    """One rule.

    Attributes:
        spec: As the policy room compiled it.
        detectors: The detectors whose hits speak for it (those not under a ``not``), in the order it names them.
        names: Every detector that it names.
        local: A single hit decides, whatever else the text holds. Only such rules can act before a text is whole.
        idle: It holds for a text without any hit.
        edits: It redacts, in earnest.
        blocks: It blocks, in earnest.
    """

    spec: RuleSpec
    detectors: tuple[str, ...]
    names: frozenset[str]
    local: bool
    idle: bool
    edits: bool
    blocks: bool

    def fires(self, found: Collection[str]) -> bool:
        """Whether the rule holds for a text in which these detectors hit."""
        return holds(self.spec.when, found)

    @property
    def held(self) -> bool:
        """Whether a stream must be kept whole before this rule can be judged."""
        return not self.local and (self.edits or self.blocks)


def prepare(spec: RuleSpec) -> Rule:
    """Make a rule ready."""
    enforced = spec.mode == "enforce"
    return Rule(
        spec=spec,
        detectors=tuple(dict.fromkeys(_speaking(spec.when, negated=False))),
        names=frozenset(named(spec.when)),
        local=_is_local(spec.when),
        idle=holds(spec.when, ()),
        edits=enforced and spec.action == "redact",
        blocks=enforced and spec.action == "block",
    )


def holds(when: When, found: Collection[str]) -> bool:
    """Evaluate an expression over the detectors that hit."""
    match when.op:
        case "detector":
            return when.name in found
        case "any":
            return any(holds(part, found) for part in when.parts)
        case "all":
            return all(holds(part, found) for part in when.parts)
        case "not":
            return not any(holds(part, found) for part in when.parts)


def named(when: When) -> set[str]:
    """Return every detector that an expression names."""
    if when.op == "detector":
        return {when.name}
    return {name for part in when.parts for name in named(part)}


def applies(spec: RuleSpec, direction: Direction, facts: CallFacts) -> bool:
    """Whether a rule applies to an exchange.

    Args:
        spec: The rule.
        direction: Request or response.
        facts: What the exchange is.
    """
    match = spec.match
    if match.direction and direction not in match.direction:
        return False
    wanted = (
        (match.route, facts.route),
        (match.model, facts.model),
        (match.provider, facts.provider),
        (match.team, facts.team),
    )
    return all(matches(globs, value) for globs, value in wanted)


def matches(globs: Globs, value: str) -> bool:
    """Whether a value is one of those meant."""
    if globs.include and not any(fnmatchcase(value, glob) for glob in globs.include):
        return False
    return not any(fnmatchcase(value, glob) for glob in globs.exclude)


def stronger(one: Action, other: Action) -> Action:
    """Return the stronger of two actions."""
    return one if STRENGTH[one] >= STRENGTH[other] else other


def _speaking(when: When, *, negated: bool) -> Iterable[str]:
    if when.op == "detector":
        return () if negated else (when.name,)
    negated ^= when.op == "not"
    return [name for part in when.parts for name in _speaking(part, negated=negated)]


def _is_local(when: When) -> bool:
    if when.op == "detector":
        return True
    if when.op == "any" or (when.op == "all" and len(when.parts) == 1):
        return all(_is_local(part) for part in when.parts)
    return False
