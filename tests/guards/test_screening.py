from __future__ import annotations

from gateway.core.verdict import RuleSpec, When
from gateway.guards.rules import prepare
from gateway.guards.screening import MAX_EVENTS, Screening, Tally
from tests.guards.planted import MATCHER, detects, rule

KEY = "AKIAIOSFODNN7EXAMPLQ"
NO_KEYS = When(op="not", parts=(detects("keys"),))


def screening(*specs: RuleSpec) -> Screening:
    return Screening(MATCHER, tuple(prepare(spec) for spec in specs))


def test_clean_text_gives_no_finding() -> None:
    rules = screening(rule("keys"))
    assert rules.quiet("nothing here")
    assert rules.screen("nothing here") is None
    assert rules.screen("AKIAXXXXXXXXXXXXXXXX") is None


def test_hits_of_redacting_rules_become_markers() -> None:
    finding = screening(rule("keys")).screen(f"a {KEY}, opal")
    assert finding is not None
    assert finding.text == "a [AWS_KEY], opal"
    assert [hit.pattern for hit in finding.hits] == ["AWS_KEY"]


def test_rules_of_both_detectors_redact_together() -> None:
    finding = screening(rule("keys"), rule("words", name="w")).screen(f"{KEY} opal")
    assert finding is not None
    assert finding.text == "[AWS_KEY] [OP]"


def test_audit_and_annotate_change_nothing() -> None:
    for spec in (rule("keys", "redact", "audit"), rule("keys", "annotate"), rule("keys", "block", "audit")):
        finding = screening(spec).screen(KEY)
        assert finding is not None
        assert finding.text is None
        assert [fired.spec.id for fired in finding.fired] == [spec.id]


def test_all_needs_every_detector_in_the_same_text() -> None:
    rules = screening(rule(When(op="all", parts=(detects("keys"), detects("words")))))
    assert rules.screen(KEY) is None
    finding = rules.screen(f"{KEY} opal")
    assert finding is not None
    assert finding.text == "[AWS_KEY] [OP]"


def test_not_holds_for_text_in_which_nothing_was_found() -> None:
    rules = screening(rule(NO_KEYS, "block"))
    assert not rules.quiet("plain")
    assert rules.screen(KEY) is None
    finding = rules.screen("plain")
    assert finding is not None
    assert [fired.blocks for fired in finding.fired] == [True]


def test_a_tally_keeps_the_strongest_enforced_action_and_the_first_block() -> None:
    ticks = iter(range(0, 100_000_000, 5_000))
    tally = Tally("request", lambda: next(ticks))
    rules = screening(rule("keys", "annotate"), rule("keys", "block", name="b1"), rule("keys", "block", name="b2"))
    finding = rules.screen(KEY)
    assert finding is not None
    tally.count(finding, "messages[0].content")
    assert (tally.action, tally.rule) == ("block", "b1")
    first = tally.events[0]
    assert (first.rule, first.detector, first.action, first.mode) == (
        "annotate-enforce",
        "keys/AWS_KEY",
        "annotate",
        "enforce",
    )
    assert (first.direction, first.path, first.start, first.end) == ("request", "messages[0].content", 0, 20)
    assert first.latency_us == 5
    assert KEY not in repr(tally.events)


def test_audited_actions_are_recorded_and_not_taken() -> None:
    tally = Tally("response", lambda: 0)
    finding = screening(rule("keys", "block", "audit")).screen(KEY)
    assert finding is not None
    tally.count(finding, "p")
    assert (tally.action, tally.rule, len(tally.events)) == ("allow", "", 1)


def test_a_rule_without_a_hit_is_recorded_too() -> None:
    tally = Tally("response", lambda: 0)
    finding = screening(rule(NO_KEYS, "annotate")).screen("plain")
    assert finding is not None
    tally.count(finding, "p")
    assert [(event.detector, event.start, event.end) for event in tally.events] == [("", 0, 0)]


def test_events_are_bounded() -> None:
    tally = Tally("request", lambda: 0)
    finding = screening(rule("words")).screen("opal " * (MAX_EVENTS + 50))
    assert finding is not None
    tally.count(finding, "p")
    assert len(tally.events) == MAX_EVENTS
