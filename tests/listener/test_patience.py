"""Two timers: the answer must begin, and it must end."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.errors import FirstTokenTimeout, GatewayError, TotalTimeout
from gateway.core.exchange import Timeouts
from gateway.listener.patience import Patience


@pytest.mark.parametrize(
    ("first_s", "total_s", "begins", "error"),
    [(0.01, 60.0, False, FirstTokenTimeout), (0.01, 0.02, True, TotalTimeout), (60.0, 0.01, False, TotalTimeout),
     (60.0, 0.01, True, TotalTimeout)],
)  # fmt: skip
def test_the_timer_that_runs_out_is_told(first_s: float, total_s: float, begins: bool, error: type[Exception]) -> None:
    async def test() -> None:
        told: asyncio.Future[GatewayError] = asyncio.get_running_loop().create_future()
        patience = Patience(told.set_result)
        patience.start(Timeouts(first_token_s=first_s, total_s=total_s))
        if begins:
            patience.begun()
        assert isinstance(await told, error)

    asyncio.run(test())


def test_what_is_over_in_time_is_not() -> None:
    async def test() -> None:
        told: list[GatewayError] = []
        patience = Patience(told.append)
        patience.stop()
        patience.start(Timeouts(first_token_s=0.005, total_s=0.005))
        patience.stop()
        patience.stop()
        await asyncio.sleep(0.01)
        assert told == []

    asyncio.run(test())
