"""Rules over one text that is whole: what was found, which rules that sets off, and the text as they leave it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from gateway.core.record import GuardEvent
from gateway.core.segments import Direction
from gateway.core.verdict import Action, DetectorSpec, OnError, Thresholds
from gateway.guards.cover import Cover, Hit, Mark, clusters, in_order
from gateway.guards.matcher import Matcher
from gateway.guards.redaction import Edit, Edits, redact
from gateway.guards.rules import Rule, stronger
from gateway.guards.runner import Runner
from gateway.guards.vault import PLACEHOLDER, Masks, defused
from gateway.plugin.guard import About

MAX_EVENTS = 256
# A detector that could not judge, and why.
Failure = tuple[DetectorSpec, str]
# Stands for the detectors that are none: look-alikes of placeholders.
LOOKALIKE = -1
_DEFUSE = Edit(action="rewrite")
_TRUSTED = ("assistant",)


def of_local(on_error: OnError) -> OnError:
    """Return what holds when a detector's own rules fail: with ``rules_only`` there is nothing else left."""
    return "block" if on_error == "rules_only" else on_error


class Finding(msgspec.Struct):
    """What was found in a text, and what comes of it.

    Attributes:
        hits: Everything found by detectors that a rule names.
        fired: The rules that hold.
        text: The text as it becomes; ``None`` when nothing changes.
        failed: Detectors that could not judge, and why.
    """

    hits: list[Hit]
    fired: list[Rule]
    text: str | None = None
    failed: list[Failure] = []


class Look(Protocol):
    """What was found in a text, before any rule has judged."""

    hits: list[Hit]
    failed: list[Failure]

    def add(self, covers: list[Cover], points: list[Hit]) -> None:
        """Add what somebody else found."""
        ...

    def edit(self, edits: Edits, masks: Masks) -> str | None:
        """Return the text as it becomes; ``None`` when it stays."""
        ...


class PlainLook:
    """A look at text that is nothing but text."""

    __slots__ = ("_covers", "_text", "failed", "hits")

    def __init__(self, text: str, covers: list[Cover], hits: list[Hit], failed: list[Failure]) -> None:
        self._text = text
        self._covers = covers
        self.hits = hits
        self.failed = failed

    def add(self, covers: list[Cover], points: list[Hit]) -> None:
        """Add what somebody else found."""
        self._covers = sorted(self._covers + covers, key=in_order)
        self.hits = self.hits + hits_of(covers) + points

    def edit(self, edits: Edits, masks: Masks) -> str | None:
        """Return the text as it becomes; ``None`` when nothing in it is edited."""
        if not any(cover.mark.number in edits for cover in self._covers):
            return None
        return redact(self._text, self._covers, edits, masks)


def hits_of(covers: list[Cover]) -> list[Hit]:
    """Join matches to hits, detector by detector."""
    return [cluster.hit() for joined in clusters(covers).values() for cluster in joined]


class Tally:
    """Adds up what rules did to one document or stream.

    Args:
        direction: Request or response, for the events.
        now_ns: Monotonic clock.
        thresholds: Sums of points from which on something comes of them.
    """

    __slots__ = (
        "_began_ns", "_direction", "_now_ns", "_shadow", "_thresholds", "action", "events", "route", "rule", "score",
        "taint",
    )  # fmt: skip

    def __init__(self, direction: Direction, now_ns: Callable[[], int], thresholds: Thresholds | None = None) -> None:
        self._direction: Direction = direction
        self._now_ns = now_ns
        self._began_ns = now_ns()
        self._thresholds = thresholds
        # What the sum would be if rules in shadow mode acted.
        self._shadow = 0.0
        self.events: list[GuardEvent] = []
        self.action: Action = "allow"
        self.rule = ""
        self.route = ""
        self.taint = False
        self.score = 0.0

    def begin(self) -> None:
        """Start the clock for what is found from now on."""
        self._began_ns = self._now_ns()

    def add(self, rule: Rule, hits: Iterable[Hit], path: str, *, weigh: bool = True) -> None:
        """Count a rule that holds, with the hits that speak for it.

        Args:
            rule: The rule.
            hits: As said.
            path: Where, as it is shown.
            weigh: Its points have not been counted for this text yet.
        """
        spec = rule.spec
        if rule.acts:
            self.action = stronger(self.action, spec.action)
            self.route = self.route or rule.route
            self.taint = self.taint or rule.taints
        latency_us = (self._now_ns() - self._began_ns) // 1000
        spoken = False
        for hit in hits:
            if hit.advisory:
                continue
            spoken = True
            detector = f"{hit.detector}/{hit.pattern}"
            self._event(rule, detector, path, (hit.start, hit.end), latency_us, hit.score)
        if not spoken:
            self._event(rule, "", path, (0, 0), latency_us)
        if rule.blocks and not self.rule:
            self.rule = spec.id
        if weigh and rule.points:
            self.weigh(rule, path)

    def advise(self, hits: Iterable[Hit], path: str) -> None:
        """Put on record what was found and sets nothing off."""
        for hit in hits:
            if hit.advisory and len(self.events) < MAX_EVENTS:
                detector = f"{hit.detector}/{hit.pattern}"
                self._append(f"advisory:{hit.detector}", detector, "allow", "audit", path, hit.score)
                self.events[-1].start, self.events[-1].end = hit.start, hit.end

    def weigh(self, rule: Rule, path: str = "") -> None:
        """Add a rule's points to the sum, and see what comes of that."""
        points = rule.points
        if rule.acts:
            before, self.score = self.score, self.score + points
            self._cross(before, self.score, path, "enforce")
        if rule.acts or rule.mode == "shadow":
            before, self._shadow = self._shadow, self._shadow + points
            if self._shadow != self.score:
                self._cross(before, self._shadow, path, "shadow")

    def fail(self, detector: str, on_error: str, path: str, *, acts: bool) -> None:
        """Count a detector that could not judge.

        Args:
            detector: Its name.
            on_error: What the policy makes of that.
            path: Where, as it is shown.
            acts: A rule that acts would have asked it.
        """
        action: Action = "block" if on_error == "block" else "annotate" if on_error == "annotate" else "allow"
        rule = f"on_error:{detector}"
        self._append(rule, detector, action, "enforce" if acts else "audit", path)
        if acts:
            self.action = stronger(self.action, action)
            if action == "block" and not self.rule:
                self.rule = rule

    def block(self, rule: str) -> None:
        """Let a rule have the last word."""
        self.action = "block"
        self.rule = rule

    def count(self, finding: Finding, path: str) -> None:
        """Count all rules that hold for a text, and what advises."""
        for rule in finding.fired:
            speaking = rule.speaking(path) if rule.exempts else rule.detectors
            self.add(rule, [hit for hit in finding.hits if hit.detector in speaking], path)
        self.advise(finding.hits, path)

    def defused(self, rule: Rule, path: str) -> None:
        """Count a text in which look-alikes of placeholders were made harmless for a rule that masks."""
        self.action = stronger(self.action, "rewrite")
        self._append(rule.spec.id, "placeholder", "rewrite", rule.mode, path)

    def _cross(self, before: float, after: float, path: str, mode: str) -> None:
        thresholds = self._thresholds
        if thresholds is None:
            return
        steps: tuple[tuple[Action, float | None], ...] = (
            ("annotate", thresholds.annotate),
            ("block", thresholds.block),
        )
        for action, at in steps:
            if at is not None and before < at <= after:
                rule = f"scoring:{self._direction}"
                self._append(rule, "", action, mode, path, score=after)
                if mode == "enforce":
                    self.action = stronger(self.action, action)
                    if action == "block" and not self.rule:
                        self.rule = rule

    def _event(
        self,
        rule: Rule,
        detector: str,
        path: str,
        place: tuple[int, int],
        latency_us: int,
        score: float | None = None,
    ) -> None:
        spec = rule.spec
        if len(self.events) < MAX_EVENTS:
            self.events.append(
                GuardEvent(
                    rule=spec.id, detector=detector, action=spec.action, mode=rule.mode, direction=self._direction,
                    path=path, start=place[0], end=place[1], score=score, latency_us=latency_us,
                )
            )  # fmt: skip
        elif spec.action == "capture":
            self._append(spec.id, detector, spec.action, rule.mode, path, score)

    def _append(self, rule: str, detector: str, action: str, mode: str, path: str, score: float | None = None) -> None:
        # What decides must be on the record, whatever else is.
        if len(self.events) >= MAX_EVENTS:
            self.events.pop()
        self.events.append(
            GuardEvent(
                rule=rule, detector=detector, action=action, mode=mode, direction=self._direction, path=path, start=0,
                end=0, score=score,
            )
        )  # fmt: skip


class Screening:
    """The rules that apply to one kind of text.

    Args:
        matcher: Finds patterns.
        rules: In the order of the policy.
        about: What kind of text.
        runners: The bundle's other detectors that find in one text.
        watched: Further detectors whose hits somebody wants.
    """

    __slots__ = ("_numbers", "_runners", "about", "exempt", "idle", "masking", "matcher", "names", "rules")

    def __init__(
        self,
        matcher: Matcher,
        rules: tuple[Rule, ...],
        *,
        about: About | None = None,
        runners: Sequence[Runner] = (),
        watched: frozenset[str] = frozenset(),
    ) -> None:
        self.matcher = matcher
        self.rules = rules
        self.about = about or About("response")
        self.names = watched.union(*[rule.names for rule in rules])
        self._numbers = frozenset(matcher.numbers[name] for name in self.names)
        self._runners = tuple(runner for runner in runners if runner.name in self.names and runner.takes(self.about))
        self.idle = any(rule.idle for rule in rules)
        # Somebody's exclusions ask where a text stands.
        self.exempt = any(rule.exempts for rule in rules)
        masking = [rule for rule in rules if rule.edit is not None and rule.edit.action == "mask"]
        # The rule in whose name look-alikes of placeholders are made harmless.
        self.masking = masking[0] if masking and self.about.role not in _TRUSTED else None

    @property
    def runners(self) -> tuple[Runner, ...]:
        """The detectors here that are no patterns."""
        return self._runners

    def quiet(self, text: str) -> bool:
        """Whether no rule can hold for a text; says no when in doubt."""
        return not self.idle and not self._runners and not self.matcher.quick(text)

    def covers(self, text: str, *, structured: bool = True) -> tuple[list[Cover], list[Hit], list[Failure]]:
        """Return all matches of these rules' detectors, what is about the text as a whole, and what failed.

        Args:
            text: The text.
            structured: It is no part of a JSON text, of which some detectors want the whole.
        """
        numbers = self._numbers
        covers = [cover for cover in self.matcher.covers(text) if cover.mark.number in numbers]
        points: list[Hit] = []
        failed = self.overflow()
        patterns = len(covers)
        for runner in self._runners:
            if runner.scope.structured and not structured:
                continue
            found = runner.run(text, self.about)
            covers += found.covers
            points += found.points
            if found.error:
                failed.append((runner.spec, found.error))
        if len(covers) > patterns:
            covers.sort(key=in_order)
        return covers, points, failed

    def overflow(self) -> list[Failure]:
        """Return whose patterns are not all known, since the text scanned last is made of candidates."""
        if not self.matcher.full:
            return []
        specs = self.matcher.specs
        return [(specs[number], "too many candidates") for number in sorted(self._numbers) if specs[number].patterns]

    def wants(self, cover: Cover) -> bool:
        """Whether a rule here asks for the detector of a match."""
        return cover.mark.number in self._numbers

    def look(self, text: str) -> PlainLook:
        """Look at a text."""
        covers, points, failed = self.covers(text)
        hits = hits_of(covers) + points if covers else points
        if self.masking is not None and ":" in text:
            covers = self.with_lookalikes(text, covers)
        return PlainLook(text, covers, hits, failed)

    def with_lookalikes(self, text: str, covers: list[Cover]) -> list[Cover]:
        """Add look-alikes of placeholders in a text to the matches."""
        found = [
            Cover(match.start(), match.end(), _lookalike(match.group())) for match in PLACEHOLDER.finditer(text)
        ]  # fmt: skip
        return sorted(covers + found, key=in_order) if found else covers

    def fired(self, hits: Iterable[Hit], shown: str = "") -> list[Rule]:
        """Return the rules that hold for a text with these hits."""
        found = {hit.detector for hit in hits if not hit.advisory}
        if not found and not self.idle:
            return []
        return [rule for rule in self.rules if rule.fires(rule.heard(found, shown))]

    def edits(self, fired: Iterable[Rule], shown: str = "") -> dict[int, Edit]:
        """Return what the rules do to the hits of each detector: the strongest edit, the first of several."""
        chosen: dict[int, Edit] = {}
        numbers = self.matcher.numbers
        for rule in fired:
            if rule.edit is not None:
                for name in rule.speaking(shown):
                    known = chosen.get(numbers[name])
                    if known is None or rule.edit.strength > known.strength:
                        chosen[numbers[name]] = rule.edit
        if self.masking is not None:
            chosen[LOOKALIKE] = _DEFUSE
        return chosen

    def screen(self, text: str, shown: str = "", masks: Masks | None = None) -> Finding | None:
        """Judge a text; ``None`` when no rule holds and nothing failed."""
        return conclude(self, self.look(text), shown, masks)


def conclude(screening: Screening, look: Look, shown: str, masks: Masks | None) -> Finding | None:
    """Let rules judge what was found in a text; ``None`` when none holds, nothing failed and nothing advises."""
    fired = screening.fired(look.hits, shown)
    edits = screening.edits(fired, shown) if fired or screening.masking else None
    text = look.edit(edits, masks or Masks()) if edits else None
    if not fired and not look.failed and text is None and not any(hit.advisory for hit in look.hits):
        return None
    return Finding(look.hits, fired, text, look.failed)


def _lookalike(text: str) -> Mark:
    return Mark(LOOKALIKE, "placeholder", "placeholder", "PLACEHOLDER", -1, replacement=defused(text))
