"""That what is measured is what a worker writes, and what the store takes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gateway.core.record import ExchangeRecord
from loadtests.shipping import DEPLOYMENTS, fill, ordinary, with_record


@pytest.mark.parametrize("measure", [ordinary, with_record])
def test_each_call_that_is_measured_is_a_line_in_the_spool(tmp_path: Path, measure) -> None:
    assert measure(tmp_path, 10) > 0
    (segment,) = tmp_path.glob("*.ndjson")
    records = [msgspec.json.decode(line, type=ExchangeRecord) for line in segment.read_bytes().splitlines()]
    assert len({one.started_us for one in records}) == 10
    assert all(one.status == 200 and len(one.attempts) == 1 and one.input_tokens == 100 for one in records)


def test_what_is_shipped_is_of_many_deployments_and_some_of_it_was_hit(tmp_path: Path) -> None:
    fill(tmp_path, 40)
    (segment,) = tmp_path.glob("*.ndjson")
    records = [msgspec.json.decode(line, type=ExchangeRecord) for line in segment.read_bytes().splitlines()]
    assert len({one.deployment for one in records}) == DEPLOYMENTS
    assert sum(bool(one.guard_events) for one in records) == 4
