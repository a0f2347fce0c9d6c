"""What a stream's channels share: which rules hold them, and which act at once."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.verdict import Exclusion, Globs, Match, Step, Thresholds
from tests.guards.handmade import does, engine
from tests.guards.test_plan import FACTS

SCORE = Step(action="score", score=1)
BLOCK_AT = Thresholds(block=2)


@pytest.mark.parametrize(
    ("rule", "scoring", "held"),
    [
        (does("r", "birds", "redact"), Thresholds(), False),
        (does("r", "brackets", "block"), Thresholds(), False),
        (does("r", "birds&mails", "redact"), Thresholds(), True),
        (does("r", "shouting", "redact"), Thresholds(), True),
        (does("r", "birds|shouting", "block"), Thresholds(), True),
        (does("r", "shouting", "annotate"), Thresholds(), False),
        (does("r", "shouting", "redact", mode="audit"), Thresholds(), False),
        (does("r", "shouting", "redact", mode="shadow"), Thresholds(), False),
        (does("r", "shouting", SCORE), Thresholds(annotate=1), False),
        (does("r", "shouting", SCORE), BLOCK_AT, True),
        (does("r", "birds", SCORE), BLOCK_AT, False),
    ],
)
def test_only_rules_in_earnest_that_need_the_whole_text_hold_it(rule: Any, scoring: Thresholds, *, held: bool) -> None:
    plan = engine(rule, response_scoring=scoring).plan(FACTS)
    made = plan.stream_screen()._plans.of((0, "text"))
    assert made.held is held
    assert plan.gathers == ""


def test_rules_over_the_whole_hold_the_stream_when_they_are_in_earnest() -> None:
    assert engine(does("r", "many", "block")).plan(FACTS).gathers == "hold"
    assert engine(does("r", "oracle", "redact")).plan(FACTS).gathers == "hold"
    assert engine(does("r", "many", "block", mode="audit")).plan(FACTS).gathers == "watch"
    assert engine(does("r", "many", "annotate")).plan(FACTS).gathers == "watch"


def test_channels_of_one_kind_share_a_plan_and_tools_have_their_own() -> None:
    match = Match(tool=Globs(include=("mail",)))
    plans = engine(does("r", "birds", "redact", match=match)).plan(FACTS).stream_screen()._plans
    assert plans.of((0, "text")) is plans.of((5, "text/2"))
    mail, other = plans.of((0, "tool_argument/1", "mail")), plans.of((0, "tool_argument/1", "other"))
    assert (len(mail.screening.rules), len(other.screening.rules)) == (1, 0)
    for number in range(200):
        plans.of((0, "tool_argument/0", f"tool-{number}"))


def test_exclusions_by_place_give_each_channel_its_own() -> None:
    out = Exclusion(id="x", match=Match(), field="choices[0].*")
    plans = engine(does("r", "birds", "redact", exclusions=(out,))).plan(FACTS).stream_screen()._plans
    assert (plans.of((0, "text")).settled, list(plans.of((1, "text")).settled)) == ({}, [0])
