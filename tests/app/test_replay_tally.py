from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.app.recorded_calls import RecordedCall, call_of, line_of
from gateway.app.rejudging import Outcome
from gateway.app.replay_tally import Tally, as_then, change_of
from gateway.core.record import GuardEvent
from tests.support.recorded import event, line


def found(rule: str, action: str, **changes: Any) -> GuardEvent:
    return msgspec.convert(event(rule, action, **changes), GuardEvent)


def outcome(verdict: str, *events: GuardEvent, rule: str = "", left: bytes = b"") -> Outcome:
    return Outcome(verdict, list(events), rule, left)


def call(**changes: Any) -> RecordedCall:
    return call_of(line_of(line("a", "b", **changes)))


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (outcome("allow"), outcome("annotate"), None),
        (outcome("annotate"), outcome("allow"), None),
        (outcome("allow"), outcome("block"), "newly_blocked"),
        (outcome("edit", left=b"x"), outcome("block"), "newly_blocked"),
        (outcome("block"), outcome("block"), None),
        (outcome("block"), outcome("edit", left=b"x"), "newly_edited"),
        (outcome("annotate"), outcome("edit", left=b"x"), "newly_edited"),
        (outcome("edit", left=b"x"), outcome("edit", left=b"x"), None),
        (outcome("edit", left=b"x"), outcome("edit", left=b"y"), "newly_edited"),
        (outcome("block"), outcome("allow"), "newly_allowed"),
        (outcome("edit", left=b"x"), outcome("annotate"), "newly_allowed"),
    ],
)
def test_a_change_is_what_the_caller_would_notice(old: Outcome, new: Outcome, change: str | None):
    assert change_of(old, new) == change


def test_changes_are_counted_by_the_rules_behind_them():
    tally = Tally()
    blocks, audits = found("b", "block"), found("a", "block", mode="audit")
    tally.count(call(), outcome("allow", audits), outcome("block", audits, blocks, rule="b"), 5)
    first, second = found("e", "redact"), found("f", "redact", start=9, end=12)
    tally.count(call(), outcome("edit", first, left=b"x"), outcome("edit", first, second, left=b"y"), 5)
    tally.count(call(), outcome("block", blocks, rule="b"), outcome("allow"), 5)
    tally.count(call(), outcome("allow"), outcome("block", rule="unscannable"), 5)
    assert (tally.replayed, tally.newly_blocked, tally.newly_edited, tally.newly_allowed) == (4, 2, 1, 1)
    rules = {
        name: (each.newly_blocked, each.newly_edited, each.newly_allowed, each.held_before, each.held_after)
        for name, each in tally.rules.items()
    }
    assert rules == {
        "a": (0, 0, 0, 1, 1),
        "b": (1, 0, 1, 1, 1),
        "e": (0, 0, 0, 1, 1),
        "f": (0, 1, 0, 0, 1),
        "unscannable": (1, 0, 0, 0, 0),
    }
    assert [(each.change, each.rule, len(each.spans)) for each in tally.samples] == [
        ("newly_blocked", "b", 1), ("newly_edited", "f", 1), ("newly_allowed", "b", 1),
        ("newly_blocked", "unscannable", 0),
    ]  # fmt: skip
    assert (tally.samples[1].spans[0].start, tally.samples[1].spans[0].end) == (9, 12)


def test_samples_are_bounded_by_rule_and_change_and_tallies_add_up():
    tallies = [Tally(), Tally()]
    for tally in tallies:
        for _ in range(4):
            blocked = outcome("block", found("b", "block"), rule="b")
            tally.count(call(), outcome("allow"), blocked, 3)
        tally.leave_out("cut")
        tally.compare(call(), outcome("allow"), 3)
        tally.compare(call(verdict="annotate"), outcome("allow"), 3)
        tally.spend(call(), Outcome(request_ns=2, answer_ns=3), Outcome(request_ns=5, answer_ns=7))
    one, other = tallies
    one.add(other, 3)
    assert (one.replayed, one.newly_blocked, one.rules["b"].newly_blocked, len(one.samples)) == (8, 8, 8, 3)
    assert (one.left_out, one.as_recorded, one.not_as_recorded, len(one.differ)) == ({"cut": 2}, 2, 2, 2)
    assert (one.requests, one.answers, one.before.request_ns, one.after.answer_ns) == (2, 2, 4, 14)


def test_a_call_is_judged_as_then_when_verdict_events_and_coverage_are_the_same():
    then = call(verdict="annotate", guard_events=[event("a", "annotate", score=0.5), event("b", "score")])
    a, b = found("a", "annotate", score=0.5, latency_us=7), found("b", "score")
    assert as_then(then, outcome("annotate", b, a))
    assert not as_then(then, outcome("allow", b, a))
    assert not as_then(then, outcome("annotate", a))
    assert not as_then(then, outcome("annotate", msgspec.structs.replace(a, start=1), b))
    assert not as_then(then, outcome("annotate", msgspec.structs.replace(a, score=0.6), b))
    assert not as_then(msgspec.structs.replace(then, coverage=0.5), outcome("annotate", a, b))
