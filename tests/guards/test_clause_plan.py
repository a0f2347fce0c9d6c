from __future__ import annotations

from typing import Any

import pytest

from gateway.core.verdict import CallFacts, Globs, Match, RuleSpec, Step, Thresholds
from gateway.guards.clause_plan import ClausePlan
from gateway.guards.plan import GuardPlan
from tests.guards.handmade import BIRDS, MAILS, does, engine, named
from tests.support.scorers import Room

ANSWERS = Match(direction=("response",))
FACTS = CallFacts(stream=True)
KINDS = (
    BIRDS,
    MAILS,
    named("oracle"),
    named("inj", "injection", options={"target_fpr": 0.01}),
    named("toxic", "toxicity", options={"target_fpr": 0.01, "stream": "balanced"}),
)


def plan(*rules: RuleSpec, **bundle: Any) -> GuardPlan:
    return engine(*rules, kinds=KINDS, scorers=Room(), **bundle).plan(FACTS)


def clauses(*rules: RuleSpec, **bundle: Any) -> ClausePlan:
    found = plan(*rules, **bundle)
    assert (found.gathers, found.clauses is not None) == ("", True)
    assert found.clauses is not None
    return found.clauses


def test_a_rule_that_blocks_for_a_model_is_judged_by_clause() -> None:
    found = clauses(does("r", "inj", "block", match=ANSWERS))
    assert ([rule.spec.id for rule in found.rules], found.asks, found.lag) == (["r"], ("inj",), 0)
    assert found.of((0, "text")) is not None


@pytest.mark.parametrize(
    ("rule", "gathers"),
    [
        (does("r", "inj", "redact", match=ANSWERS), "hold"),
        (does("r", "inj&birds", "block", match=ANSWERS), "hold"),
        (does("r", "inj|oracle", "block", match=ANSWERS), "hold"),
        (does("r", "inj", "block", match=ANSWERS, mode="audit"), "watch"),
        (does("r", "birds", "block", match=ANSWERS), ""),
    ],
)
def test_what_cannot_be_judged_by_clause(rule: RuleSpec, gathers: str) -> None:
    found = plan(rule)
    assert (found.clauses, found.gathers) == (None, gathers)


def test_where_another_rule_holds_the_stream_all_are_judged_at_its_end() -> None:
    found = plan(does("r", "inj", "block", match=ANSWERS), does("s", "oracle", "block", match=ANSWERS))
    assert (found.clauses, found.gathers) == (None, "hold")


@pytest.mark.parametrize(
    ("rules", "scoring", "lag"),
    [
        ([does("r", "toxic", "block", match=ANSWERS)], Thresholds(), 2),
        ([does("r", "toxic", "block", match=ANSWERS), does("s", "inj", "block", match=ANSWERS)], Thresholds(), 0),
        ([does("r", "toxic", "block", match=ANSWERS), does("s", "inj", "annotate", match=ANSWERS)], Thresholds(), 2),
        ([does("r", "inj", "annotate", match=ANSWERS)], Thresholds(), None),
        ([does("r", "inj", Step(action="score", score=3), match=ANSWERS)], Thresholds(), None),
        ([does("r", "inj", Step(action="score", score=3), match=ANSWERS)], Thresholds(block=3), 0),
    ],
)
def test_what_waits_for_judges(rules: list[RuleSpec], scoring: Thresholds, lag: int | None) -> None:
    assert clauses(*rules, response_scoring=scoring).lag == lag


def test_each_kind_of_text_has_the_rules_that_mean_it() -> None:
    narrow = Match(direction=("response",), kind=Globs(include=("tool_argument",)), tool=Globs(include=("mail",)))
    found = clauses(does("r", "toxic", "block", match=narrow))
    assert found.of((0, "text")) is None
    assert found.of((0, "tool_argument/0", "other")) is None
    kind = found.of((0, "tool_argument/0", "mail"))
    assert kind is not None
    assert (kind.about.tool, kind.screening, found.of((1, "tool_argument/7", "mail")) is kind) == ("mail", None, True)


def test_patterns_and_rules_beside_a_model_are_looked_for_in_clauses() -> None:
    kind = clauses(does("r", "toxic|birds", "block", match=ANSWERS)).of((0, "text"))
    assert kind is not None
    assert kind.screening is not None
    assert [hit.detector for hit in kind.screening.look("an osprey").hits] == ["birds"]
