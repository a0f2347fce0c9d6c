"""Rules made ready to run: where they apply, what their expressions need, whether they act, and how strong they are."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from hashlib import blake2b
from typing import get_args

import msgspec

from gateway.core.errors import Misconfigured
from gateway.core.matching import matches, matches_tags
from gateway.core.segments import Direction
from gateway.core.verdict import Action, CallFacts, Canary, Exclusion, Match, RuleSpec, Step, When
from gateway.guards.redaction import Edit

STRENGTH: dict[Action, int] = {action: strength for strength, action in enumerate(get_args(Action))}
_EDITS: tuple[Action, ...] = ("redact", "mask", "rewrite")
_NO_FIELD = re.compile("")


class Exempt(msgspec.Struct, frozen=True):
    """An exclusion that holds for the calls of a plan.

    Attributes:
        spec: As the policy room compiled it.
        field: Matches the shown paths that it is about.
    """

    spec: Exclusion
    field: re.Pattern[str]

    def covers(self, detector: str, shown: str) -> bool:
        """Whether findings of a detector at a place do not count."""
        spec = self.spec
        return (not spec.detector or spec.detector == detector) and self.field.match(shown) is not None


class Rule(msgspec.Struct, frozen=True):
    """One rule, for the calls of a plan.

    Attributes:
        spec: As the policy room compiled it.
        mode: How seriously it is taken for these calls.
        acts: What it does, it does in earnest.
        detectors: The detectors whose hits speak for it (those not under a ``not``), in the order it names them.
        names: Every detector that it names.
        local: A single hit decides, whatever else the text holds. Only such rules can act before a text is whole.
        idle: It holds for a text without any hit.
        edit: The strongest edit it makes, in earnest; ``None`` for none.
        blocks: It blocks, in earnest.
        points: What it adds to the sum of its direction, in earnest or not.
        route: The alias it sends calls to, in earnest.
        taints: It taints the session, in earnest.
        exempts: Exclusions that may hold.
    """

    spec: RuleSpec
    mode: str
    acts: bool
    detectors: tuple[str, ...]
    names: frozenset[str]
    local: bool
    idle: bool
    edit: Edit | None
    blocks: bool
    points: float
    route: str
    taints: bool
    exempts: tuple[Exempt, ...] = ()

    def fires(self, found: Collection[str]) -> bool:
        """Whether the rule holds for a text in which these detectors hit."""
        return holds(self.spec.when, found)

    @property
    def edits(self) -> bool:
        """Whether it changes a text, in earnest."""
        return self.edit is not None

    @property
    def held(self) -> bool:
        """Whether a stream must be kept whole before this rule can be judged."""
        return not self.local and (self.edits or self.blocks)

    def counts(self, detector: str, shown: str) -> bool:
        """Whether findings of a detector at a place count for it."""
        return not any(exempt.covers(detector, shown) for exempt in self.exempts)

    def heard(self, found: Collection[str], shown: str) -> Collection[str]:
        """Return which of the detectors that hit in a place count for it."""
        if not self.exempts:
            return found
        return {name for name in found if self.counts(name, shown)}

    def speaking(self, shown: str) -> frozenset[str]:
        """Return the detectors whose hits in a place speak for it."""
        return frozenset(name for name in self.detectors if self.counts(name, shown))


def prepare(spec: RuleSpec, facts: CallFacts | None = None, exempts: tuple[Exclusion, ...] = ()) -> Rule:
    """Make a rule ready.

    Args:
        spec: The rule.
        facts: What the exchange is, for the share of a canary and for strictness.
        exempts: Its exclusions that may hold for the exchange.

    Raises:
        Misconfigured: It asks for what cannot be done.
    """
    if any(step.action == "hold" for step in spec.steps):
        raise Misconfigured(f"Rule '{spec.id}': hold is not yet available.")
    mode, acts = mode_of(spec, facts or CallFacts())
    steps = {step.action: step for step in reversed(spec.steps)}
    edit = next((_edit(steps[action]) for action in _EDITS if action in steps), None)
    return Rule(
        spec=spec,
        mode=mode,
        acts=acts,
        detectors=tuple(dict.fromkeys(_speaking(spec.when, negated=False))),
        names=frozenset(named(spec.when)),
        local=_is_local(spec.when),
        idle=holds(spec.when, ()),
        edit=edit if acts else None,
        blocks=acts and "block" in steps,
        points=sum(step.score for step in spec.steps if step.action == "score"),
        route=steps["route"].route if acts and "route" in steps else "",
        taints=acts and "taint" in steps,
        exempts=tuple(Exempt(exclusion, field_pattern(exclusion.field)) for exclusion in exempts),
    )


def _edit(step: Step) -> Edit:
    if step.action == "mask":
        return Edit(action="mask", restore_in=step.restore_in)
    if step.action == "rewrite":
        return Edit(action="rewrite", remove=step.rewrite == "remove")
    return Edit(action="redact")


def mode_of(spec: RuleSpec, facts: CallFacts) -> tuple[str, bool]:
    """Return how seriously a rule is taken for a call, and whether it acts."""
    if facts.strict or spec.mode == "enforce":
        return "enforce", True
    if spec.mode != "canary":
        return spec.mode, False
    canary = spec.canary or Canary(share=0.0)
    return ("canary", True) if chosen(spec.id, canary, facts) else (canary.rest, False)


def chosen(rule_id: str, canary: Canary, facts: CallFacts) -> bool:
    """Whether a call belongs to the share for which a rule acts: always the same for one caller, in every process."""
    who: str = getattr(facts, canary.sticky_by)
    key = blake2b(rule_id.encode(), digest_size=16).digest()
    drawn = blake2b(who.encode("utf-8", "replace"), key=key, digest_size=8).digest()
    return int.from_bytes(drawn, "big") < canary.share * 2**64


def field_pattern(glob: str) -> re.Pattern[str]:
    """Compile a glob over shown paths; brackets stand for themselves there, as in ``messages[*].name``."""
    if not glob:
        return _NO_FIELD
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(char) or re.escape(char) for char in glob) + r"\Z", re.DOTALL)


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


def applies(match: Match, direction: Direction, facts: CallFacts) -> bool:
    """Whether a match may hold for an exchange, as far as is known before its texts are looked at."""
    return not mismatch(match, direction, facts)


def mismatch(match: Match, direction: Direction, facts: CallFacts) -> str:
    """Return the first part of a match that an exchange does not meet; empty when it meets all."""
    if match.direction and direction not in match.direction:
        return "direction"
    for name in ("route", "model", "provider", "key", "team"):
        if not matches(getattr(match, name), getattr(facts, name)):
            return name
    if not matches_tags(match.tag, facts.tags):
        return "tag"
    if match.stream is not None and match.stream is not facts.stream:
        return "stream"
    if match.tainted is not None and match.tainted is not facts.tainted:
        return "tainted"
    return ""


def admits(match: Match, role: str, kind: str, tool: str) -> bool:
    """Whether a match holds for a text."""
    return matches(match.role, role) and matches(match.kind, kind) and matches(match.tool, tool)


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
