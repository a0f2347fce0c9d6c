from __future__ import annotations

import pytest

from gateway.core.verdict import CallFacts, Globs, Match, RuleSpec, Step, When
from gateway.guards.rules import applies, holds, named, prepare, stronger
from tests.guards.planted import detects, rule

A, B = detects("a"), detects("b")
NOT_A = When(op="not", parts=(A,))
BOTH = When(op="all", parts=(A, B))
EITHER = When(op="any", parts=(A, B))


@pytest.mark.parametrize(
    ("when", "found", "expected"),
    [
        (A, {"a"}, True), (A, {"b"}, False),
        (EITHER, {"b"}, True), (EITHER, set(), False),
        (BOTH, {"a"}, False), (BOTH, {"a", "b"}, True),
        (NOT_A, set(), True), (NOT_A, {"a"}, False),
        (When(op="all", parts=(B, NOT_A)), {"b"}, True), (When(op="all", parts=(B, NOT_A)), {"a", "b"}, False),
    ],
)  # fmt: skip
def test_expressions_are_evaluated_over_the_detectors_that_hit(when: When, found: set[str], *, expected: bool) -> None:
    assert holds(when, found) is expected


def test_only_detectors_that_are_not_negated_speak_for_a_rule() -> None:
    spec = rule(When(op="all", parts=(B, NOT_A, When(op="not", parts=(When(op="not", parts=(detects("c"),)),)))))
    assert prepare(spec).detectors == ("b", "c")
    assert prepare(spec).names == {"a", "b", "c"}
    assert named(spec.when) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("when", "local"),
    [(A, True), (EITHER, True), (BOTH, False), (NOT_A, False), (When(op="all", parts=(A,)), True),
     (When(op="any", parts=(A, NOT_A)), False)],
)  # fmt: skip
def test_a_rule_is_local_when_one_hit_decides(when: When, *, local: bool) -> None:
    prepared = prepare(rule(when))
    assert prepared.local is local
    assert prepared.held is not local
    assert not prepare(rule(when, mode="audit")).held
    assert not prepare(rule(when, "annotate")).held


def test_a_rule_that_holds_for_nothing_found_is_idle() -> None:
    assert prepare(rule(NOT_A)).idle
    assert not prepare(rule(BOTH)).idle


def test_only_enforced_rules_edit_and_block() -> None:
    assert prepare(rule(A, "redact")).edits
    assert prepare(rule(A, "block")).blocks
    assert not prepare(rule(A, "redact", "audit")).edits
    assert not prepare(rule(A, "block", "audit")).blocks


FACTS = CallFacts(route="/v1/chat/completions", model="gpt-4o", provider="openai", team="support")


@pytest.mark.parametrize(
    ("match", "applies_"),
    [
        (Match(), True),
        (Match(direction=("request",)), True), (Match(direction=("response",)), False),
        (Match(route=Globs(include=("/v1/*",))), True),
        (Match(route=Globs(include=("/v2/*", "/v1/chat/*"))), True),
        (Match(route=Globs(include=("/v2/*",))), False),
        (Match(model=Globs(include=("gpt-*",))), True), (Match(model=Globs(include=("GPT-*",))), False),
        (Match(team=Globs(include=("support",)), provider=Globs(include=("azure",))), False),
    ],
)  # fmt: skip
def test_every_part_of_a_match_must_agree(match: Match, *, applies_: bool) -> None:
    spec = RuleSpec(id="r", match=match, when=A, steps=(Step(action="block"),), mode="enforce")
    assert applies(spec.match, "request", FACTS) is applies_


def test_actions_are_ordered_by_strength() -> None:
    assert stronger("annotate", "redact") == "redact"
    assert stronger("block", "redact") == "block"
    assert stronger("allow", "allow") == "allow"
