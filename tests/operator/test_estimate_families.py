from __future__ import annotations

from gateway.operator.estimate_families import estimate_families
from gateway.operator.families import render
from gateway.recording.metrics import Metrics
from tests.operator.test_metrics import parse_strictly, value
from tests.support.clock import ManualClock


def test_names_are_there_from_the_start():
    assert [family.samples for family in estimate_families([])] == [[], []]


def test_errors_are_a_histogram_and_tokens_say_to_which_side():
    worker = Metrics(0, ManualClock().unix_ms)
    worker.estimate_errors.add(("p", "openai", "input"), 104, 100)
    worker.estimate_errors.add(("p", "openai", "input"), 300, 100)
    found = parse_strictly(render(estimate_families([worker.snapshot(), worker.snapshot()])))
    labels = {"provider": "p", "rules": "openai", "direction": "input"}
    errors = "weighbridge_estimate_error_ratio"
    assert value(found, f"{errors}_bucket", le="0.025", **labels) == 0
    assert value(found, f"{errors}_bucket", le="0.05", **labels) == 2
    assert value(found, f"{errors}_count", **labels) == 4
    tokens = "weighbridge_estimate_compared_tokens_total"
    assert value(found, tokens, source="estimated", **labels) == 808
    assert value(found, tokens, source="reported", **labels) == 400
