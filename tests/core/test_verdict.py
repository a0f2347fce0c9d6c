from __future__ import annotations

from gateway.core.verdict import Match, RuleSpec, Step, When


def test_a_rule_is_as_strong_as_the_first_of_its_steps() -> None:
    steps = (Step(action="taint", taint="session"), Step(action="score", score=2))
    rule = RuleSpec(id="r", match=Match(), when=When(op="detector", name="x"), steps=steps, mode="enforce")
    assert rule.action == "taint"
