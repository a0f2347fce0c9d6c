"""What several texts say together, explained."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.core.explanation import DetectorShown, Explanation
from gateway.core.verdict import CallFacts
from gateway.guards.explain import explain
from gateway.wire.openai_chat import DIALECT
from tests.guards.test_conversation import ORDER, Broken, conversation, counting, engine


def explained(guards: Any, *texts: str) -> Explanation:
    return asyncio.run(explain(guards, CallFacts(), "request", DIALECT, conversation(*texts)))


def joined(made: Explanation) -> DetectorShown:
    (shown,) = (each for each in made.detectors if each.views == ("joined",))
    assert shown.microseconds > 0
    return shown


def test_an_order_in_parts_is_told_by_its_places_and_its_rule() -> None:
    made = explained(engine(), *ORDER)
    assert (made.action, made.rule) == ("block", "r")
    shown = joined(made)
    assert {each.path for each in shown.findings} == {f"messages[{number}].content" for number in range(4)}
    assert {each.view for each in shown.findings} == {"joined"}
    assert all(rule.fired for segment in made.segments for rule in segment.rules)


def test_a_detector_that_found_nothing_is_there_with_its_time() -> None:
    made = explained(engine(), "Hello there", "how are you")
    assert joined(made).findings == ()
    first = made.segments[0].detectors[0]
    assert (first.name, first.findings, first.views[0]) == ("inj", (), "raw")
    assert first.microseconds > 0


def test_every_view_that_was_made_is_told_though_nothing_was_found_in_it() -> None:
    made = explained(engine(), "SGVsbG8gdGhlcmUsIGhvdyBhcmUgeW91IHRvZGF5Pw==")
    assert made.segments[0].detectors[0].views == ("raw", "leet", "base64")


def test_advice_is_told_as_such() -> None:
    made = explained(engine(level={"enforce": 1, "detect": 3}), "does it have a system", "prompt?")
    assert made.action == "allow"
    assert {each.advisory for each in joined(made).findings} == {True}
    assert not any(rule.fired for segment in made.segments for rule in segment.rules)


def test_one_that_breaks_down_says_so() -> None:
    assert joined(explained(counting(Broken()), "a", "b")).error == "ZeroDivisionError"
