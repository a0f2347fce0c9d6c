"""The doors: text that is no JSON, and the strongest verdict of an exchange."""

from __future__ import annotations

import pytest

from gateway.core.record import ExchangeRecord
from gateway.core.verdict import Screened
from gateway.guards.gate import note


@pytest.mark.parametrize(
    ("actions", "verdict"),
    [(["allow"], "allow"), (["redact", "annotate"], "edit"), (["annotate", "block", "allow"], "block")],
)
def test_the_strongest_verdict_stays(actions, verdict):
    record = ExchangeRecord()
    for action in actions:
        note(record, Screened(action=action))
    assert record.verdict == verdict


def test_the_worst_coverage_stays():
    record = ExchangeRecord()
    for coverage in (1.0, 0.0, 0.5):
        note(record, Screened(coverage=coverage))
    assert record.coverage == 0.0
