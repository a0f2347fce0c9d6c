"""Rules over one text that is whole: what was found, which rules that sets off, and the text as they leave it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from gateway.core.record import GuardEvent
from gateway.core.segments import Direction
from gateway.core.verdict import Action
from gateway.guards.matcher import Cover, Hit, Matcher
from gateway.guards.redaction import redact
from gateway.guards.rules import Rule, stronger

MAX_EVENTS = 256


class Finding(msgspec.Struct):
    """What was found in a text, and what comes of it.

    Attributes:
        hits: Everything found by detectors that a rule names.
        fired: The rules that hold.
        text: The redacted text; ``None`` when nothing is to be redacted.
    """

    hits: list[Hit]
    fired: list[Rule]
    text: str | None = None


class Tally:
    """Adds up what rules did to one document or stream.

    Args:
        direction: Request or response, for the events.
        now_ns: Monotonic clock.
    """

    __slots__ = ("_began_ns", "_direction", "_now_ns", "action", "events", "rule")

    def __init__(self, direction: Direction, now_ns: Callable[[], int]) -> None:
        self._direction = direction
        self._now_ns = now_ns
        self._began_ns = now_ns()
        self.events: list[GuardEvent] = []
        self.action: Action = "allow"
        self.rule = ""

    def begin(self) -> None:
        """Start the clock for what is found from now on."""
        self._began_ns = self._now_ns()

    def add(self, rule: Rule, hits: Iterable[Hit], path: str) -> None:
        """Count a rule that holds, with the hits that speak for it."""
        spec = rule.spec
        if spec.mode == "enforce":
            self.action = stronger(self.action, spec.action)
        if rule.blocks and not self.rule:
            self.rule = spec.id
        latency_us = (self._now_ns() - self._began_ns) // 1000
        spoken = False
        for hit in hits:
            spoken = True
            self._event(rule, f"{hit.detector}/{hit.pattern}", path, hit.start, hit.end, latency_us)
        if not spoken:
            self._event(rule, "", path, 0, 0, latency_us)

    def block(self, rule: Rule) -> None:
        """Let a rule have the last word."""
        self.action = "block"
        self.rule = rule.spec.id

    def count(self, finding: Finding, path: str) -> None:
        """Count all rules that hold for a text."""
        for rule in finding.fired:
            self.add(rule, [hit for hit in finding.hits if hit.detector in rule.detectors], path)

    def _event(self, rule: Rule, detector: str, path: str, start: int, end: int, latency_us: int) -> None:
        if len(self.events) >= MAX_EVENTS:
            return
        spec = rule.spec
        self.events.append(
            GuardEvent(
                rule=spec.id, detector=detector, action=spec.action, mode=spec.mode, direction=self._direction,
                path=path, start=start, end=end, latency_us=latency_us,
            )
        )  # fmt: skip


class Screening:
    """The rules that apply to one kind of text.

    Args:
        matcher: Finds.
        rules: In the order of the policy.
    """

    __slots__ = ("_numbers", "idle", "matcher", "rules")

    def __init__(self, matcher: Matcher, rules: tuple[Rule, ...]) -> None:
        self.matcher = matcher
        self.rules = rules
        self._numbers = tuple(sorted({matcher.numbers[name] for rule in rules for name in rule.names}))
        self.idle = any(rule.idle for rule in rules)

    def quiet(self, text: str) -> bool:
        """Whether no rule can hold for a text; says no when in doubt."""
        return not self.idle and not self.matcher.quick(text)

    def hits(self, covers: list[Cover]) -> list[Hit]:
        """Return what the detectors of these rules make of the matches in a text."""
        return [hit for number in self._numbers for hit in self.matcher.hits(covers, number)]

    def fired(self, hits: Iterable[Hit]) -> list[Rule]:
        """Return the rules that hold for a text with these hits."""
        found = {hit.detector for hit in hits}
        return [rule for rule in self.rules if rule.fires(found)]

    def edited(self, fired: Iterable[Rule]) -> frozenset[int]:
        """Return the detectors whose hits the rules redact."""
        numbers = self.matcher.numbers
        return frozenset(numbers[name] for rule in fired if rule.edits for name in rule.detectors)

    def redact(self, text: str, covers: list[Cover], edited: frozenset[int]) -> str:
        """Redact the matches of some detectors."""
        detector = self.matcher.detector
        return redact(text, [cover for cover in covers if detector(cover.rank) in edited], self.matcher.marker)

    def screen(self, text: str) -> Finding | None:
        """Judge a text; ``None`` when no rule holds."""
        covers = self.matcher.covers(text)
        if not covers and not self.idle:
            return None
        hits = self.hits(covers)
        fired = self.fired(hits)
        if not fired:
            return None
        finding = Finding(hits, fired)
        if edited := self.edited(fired):
            finding.text = self.redact(text, covers, edited)
        return finding
