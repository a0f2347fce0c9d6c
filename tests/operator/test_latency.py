from __future__ import annotations

import pytest

from gateway.operator.latency import DIMENSIONS, MEASURES, Latency
from gateway.operator.store import TraceStore
from gateway.plugin.traces import TraceDriver
from tests.support.drivers import DRIVERS, with_driver
from tests.support.records import lines, record


@pytest.mark.parametrize("kind", DRIVERS)
def test_quantiles_of_what_passed_in_a_span_of_time(kind: str) -> None:
    async def scenario(driver: TraceDriver) -> None:
        store = TraceStore(driver)
        await store.start()
        now_us = record().started_us
        slow = [record(duration_ms=float(number), started_us=now_us - number * 1_000_000) for number in range(1, 101)]
        quick = record(deployment="p/quick", duration_ms=1.0, ttft_ms=None, status=500)
        old = record(started_us=now_us - 7_200_000_000, duration_ms=9_999.0)
        hit = record(cache="hit-exact", duration_ms=0.1)
        await store.insert(lines(*slow, quick, old, hit), "a")
        latency = Latency(driver)
        busy, other = await latency.read(
            ["deployment"], ["duration", "ttft"], now_us - 3_600_000_000, now_us + 60_000_000
        )
        assert (busy["deployment"], busy["calls"], busy["error_calls"]) == ("openai/gpt", 100, 0)
        assert 49 <= busy["duration_ms_p50"] <= 52
        assert 98 <= busy["duration_ms_p99"] <= 100
        assert busy["ttft_ms_p50"] == 12.5
        assert (other["deployment"], other["calls"], other["error_calls"]) == ("p/quick", 1, 1)
        assert other["duration_ms_p99"] == 1
        assert other["ttft_ms_p50"] is None
        (all_,) = await latency.read(["alias"], ["overhead"], now_us - 10_800_000_000, now_us + 60_000_000)
        assert all_["calls"] == 102
        assert all_["overhead_ms_p50"] == 0.25
        assert len(await latency.read(list(DIMENSIONS)[:2], list(MEASURES), 0, now_us + 60_000_000)) == 2
        assert await latency.read(["deployment"], ["duration"], 0, 60_000_000) == []

    with_driver(kind, scenario)
