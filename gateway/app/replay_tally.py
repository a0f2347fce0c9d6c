"""What two bundles make of the same recorded calls, added up: in all, by rule, with a few calls as samples.

Tallies of several processes are added to one. Nothing here holds a word of a text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from gateway.app.recorded_calls import EDITS, RecordedCall, Why
from gateway.app.rejudging import Outcome, acts
from gateway.core.record import GuardEvent

Change = Literal["newly_blocked", "newly_edited", "newly_allowed"]
CHANGES: tuple[Change, ...] = ("newly_blocked", "newly_edited", "newly_allowed")
_PASSES = frozenset(("allow", "annotate"))
_STOPS = frozenset(("block", "hold"))
# Spans of one sample that are shown.
_SPANS = 3
_Span = tuple[str, str, int, int]


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A call of which something has changed.

    Attributes:
        id: The exchange.
        change: What.
        rule: By which rule.
        spans: What set the rule off: where it is, and what was found there. Never the text.
    """

    id: str
    change: Change
    rule: str
    spans: tuple[SpanShown, ...] = ()


class SpanShown(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a text."""

    direction: str
    path: str
    start: int
    end: int
    detector: str


class RuleTally(msgspec.Struct):
    """Of one rule.

    Attributes:
        held_before: Calls in which it held under the old bundle, whatever its mode.
        held_after: Under the new one.
        microseconds: What its detectors took in the calls that were timed, added up.
    """

    newly_blocked: int = 0
    newly_edited: int = 0
    newly_allowed: int = 0
    held_before: int = 0
    held_after: int = 0
    microseconds: float = 0.0

    def add(self, other: RuleTally) -> None:
        """Add another."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Spent(msgspec.Struct):
    """What judging took under one bundle, in nanoseconds."""

    request_ns: int = 0
    answer_ns: int = 0

    def add(self, other: Spent) -> None:
        """Add another."""
        self.request_ns += other.request_ns
        self.answer_ns += other.answer_ns


class Tally(msgspec.Struct):
    """What was found.

    Attributes:
        replayed: Calls that both bundles judged.
        left_out: Those that could not be judged, by why.
        carried: Of those judged, the ones in which something had been taken out where both bundles have the same rules
            as then: what these had found is taken from the record.
        requests: Of those judged, the ones that were timed.
        answers: Of these, the ones with an answer.
        as_recorded: Of those that the old bundle had judged when they were made, it says the same of so many.
        not_as_recorded: And something else of so many.
        differ: A few of these.
        changed: Calls with another verdict or other edits.
        timed: Calls whose detectors were timed one by one.
    """

    replayed: int = 0
    newly_blocked: int = 0
    newly_edited: int = 0
    newly_allowed: int = 0
    changed: int = 0
    carried: int = 0
    requests: int = 0
    answers: int = 0
    as_recorded: int = 0
    not_as_recorded: int = 0
    differ: list[str] = []
    left_out: dict[str, int] = {}
    rules: dict[str, RuleTally] = {}
    samples: list[Sample] = []
    before: Spent = msgspec.field(default_factory=Spent)
    after: Spent = msgspec.field(default_factory=Spent)
    timed: int = 0

    def leave_out(self, why: Why) -> None:
        """Count a call that cannot be judged."""
        self.left_out[why] = self.left_out.get(why, 0) + 1

    def rule(self, name: str) -> RuleTally:
        """Give a rule's."""
        known = self.rules.get(name)
        if known is None:
            known = self.rules[name] = RuleTally()
        return known

    def count(self, call: RecordedCall, old: Outcome, new: Outcome, most: int) -> None:
        """Count a call that both bundles have judged.

        Args:
            call: The call.
            old: What the old bundle makes of it.
            new: What the new one does.
            most: Samples of each change of each rule.
        """
        self.replayed += 1
        for name in {event.rule for event in old.events}:
            self.rule(name).held_before += 1
        for name in {event.rule for event in new.events}:
            self.rule(name).held_after += 1
        self.changed += old.verdict != new.verdict or old.left != new.left
        change = change_of(old, new)
        if change is None:
            return
        setattr(self, change, getattr(self, change) + 1)
        for name, events in _behind(change, old, new):
            tally = self.rule(name)
            setattr(tally, change, getattr(tally, change) + 1)
            self._sample(Sample(id=call.id, change=change, rule=name, spans=tuple(_shown(events))), most)

    def spend(self, call: RecordedCall, old: Outcome, new: Outcome) -> None:
        """Count what judging a call took."""
        self.requests += 1
        self.answers += call.answer is not None
        self.before.add(Spent(old.request_ns, old.answer_ns))
        self.after.add(Spent(new.request_ns, new.answer_ns))

    def compare(self, call: RecordedCall, old: Outcome, most: int) -> None:
        """See whether a bundle says what it said when a call was made."""
        if as_then(call, old):
            self.as_recorded += 1
            return
        self.not_as_recorded += 1
        if len(self.differ) < most:
            self.differ.append(call.id)

    def add(self, other: Tally, most: int) -> None:
        """Add another process's."""
        for name in (
            "replayed", *CHANGES, "changed", "carried", "requests", "answers", "timed", "as_recorded",
            "not_as_recorded",
        ):  # fmt: skip
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.differ = (self.differ + other.differ)[:most]
        for why, count in other.left_out.items():
            self.left_out[why] = self.left_out.get(why, 0) + count
        for name, tally in other.rules.items():
            self.rule(name).add(tally)
        for sample in other.samples:
            self._sample(sample, most)
        self.before.add(other.before)
        self.after.add(other.after)

    def _sample(self, sample: Sample, most: int) -> None:
        alike = sum(each.rule == sample.rule and each.change == sample.change for each in self.samples)
        if alike < most:
            self.samples.append(sample)


def change_of(old: Outcome, new: Outcome) -> Change | None:
    """Say what a new bundle changes for a call; ``None`` when nothing, or nothing that its caller would notice."""
    if new.verdict in _STOPS:
        return None if old.verdict in _STOPS else "newly_blocked"
    if new.verdict == "edit":
        return None if old.verdict == "edit" and old.left == new.left else "newly_edited"
    return None if old.verdict in _PASSES else "newly_allowed"


def as_then(call: RecordedCall, outcome: Outcome) -> bool:
    """Whether a call is judged as it was when it was made: verdict, every event, coverage.

    Of a stream that a rule has ended it is the verdict and what ended it: which of the other rules had come as far by
    then depends on how the stream was cut.
    """
    then, now = call.events, outcome.events
    if call.streamed and outcome.verdict == call.verdict == "block":
        then, now = ([each for each in events if each.action == "block"] for events in (then, now))
    return (
        call.verdict == outcome.verdict
        and _sorted(then) == _sorted(now)
        and abs(call.coverage - outcome.coverage) < 1e-9
    )


def _sorted(events: list[GuardEvent]) -> list[tuple[str, ...]]:
    """Events in an order of their own, without the time that each took."""
    return sorted(
        (
            each.rule, each.detector, each.action, each.mode, each.direction, each.path, str(each.start), str(each.end),
            "" if each.score is None else f"{each.score:.9f}",
        )
        for each in events
    )  # fmt: skip


def _behind(change: Change, old: Outcome, new: Outcome) -> Iterator[tuple[str, list[GuardEvent]]]:
    """Yield the rules behind a change, each with the events that speak for it."""
    if change == "newly_blocked":
        found, name = [each for each in new.events if acts(each) and each.action == "block"], new.rule
    elif change == "newly_edited":
        known = {_span(each) for each in old.events if acts(each) and each.action in EDITS}
        edits = [each for each in new.events if acts(each) and each.action in EDITS]
        found, name = [each for each in edits if _span(each) not in known] or edits, ""
    else:
        found = [each for each in old.events if acts(each) and (each.action in EDITS or each.action == "block")]
        name = old.rule
    by_rule: dict[str, list[GuardEvent]] = {}
    for event in found:
        by_rule.setdefault(event.rule, []).append(event)
    if name:
        by_rule.setdefault(name, [])
    yield from by_rule.items()


def _span(event: GuardEvent) -> tuple[str, _Span]:
    return event.action, (event.direction, event.path, event.start, event.end)


def _shown(events: list[GuardEvent]) -> Iterator[SpanShown]:
    for event in events[:_SPANS]:
        yield SpanShown(
            direction=event.direction, path=event.path, start=event.start, end=event.end, detector=event.detector
        )
