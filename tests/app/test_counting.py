"""The way to the store that limits are counted in: opened where the configuration names one, closed in order."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.app.counting import open_counting
from gateway.clients.clock import SystemClock
from gateway.core.limit_state import Quantity, Refusal
from gateway.core.state_counts import StateCounts
from gateway.recording.metrics import Metrics
from tests.config.test_build import good, load
from tests.support.limit_states import charge
from tests.support.redis_server import needs_redis, redis_server

CLOCK = SystemClock()
TEXT = "version: 1\nworkers: 4\nstores: {state: 'redis://:env:PW@127.0.0.1:%d', state_timeout: 20s}\n"


def test_without_a_store_each_process_counts_for_itself(tmp_path: Path):
    async def test() -> None:
        metrics = Metrics(0, CLOCK.unix_ms)
        metrics.state = StateCounts(asked=1)
        assert await open_counting(good(load(tmp_path, "version: 1\n")), metrics, CLOCK) is None
        assert metrics.state is None

    asyncio.run(test())


@pytest.mark.integration
@needs_redis
def test_a_worker_counts_in_the_store_and_goes_on_where_its_predecessor_was(tmp_path: Path):
    async def test(port: int) -> None:
        metrics = Metrics(0, CLOCK.unix_ms)
        metrics.state = StateCounts(connected=True, asked=41, workers=9)
        counting = await open_counting(good(load(tmp_path, TEXT % port, None, PW="right")), metrics, CLOCK)
        assert counting is not None
        running = asyncio.create_task(counting.run())
        held = await counting.state.take((charge(Quantity.REQUESTS, 1),), (1, 0, 0))
        assert not isinstance(held, Refusal)
        held.settle(None, None)
        assert (counting.told().asked, counting.told().connected, counting.told().workers) == (42, True, 1)
        assert metrics.snapshot().state == counting.told()
        running.cancel()
        await counting.close()

    with redis_server("--requirepass", "right") as server:
        asyncio.run(test(server.port))


def test_a_store_that_is_not_there_keeps_nobody_from_starting(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    async def test() -> None:
        counting = await open_counting(
            good(load(tmp_path, TEXT % 1, None, PW="right")), Metrics(0, CLOCK.unix_ms), CLOCK
        )
        assert counting is not None
        # A fourth of eight, for each of four workers.
        eight = (charge(Quantity.REQUESTS, 8),)
        taken = [await counting.state.take(eight, (1, 0, 0)) for _ in range(3)]
        assert [isinstance(each, Refusal) for each in taken] == [False, False, True]
        assert (counting.told().connected, counting.told().without) == (False, 3)
        await counting.close()

    asyncio.run(test())
    assert "right" not in caplog.text
