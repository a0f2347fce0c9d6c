from __future__ import annotations

import asyncio

import pytest

from gateway.clients.clock import Clock, SystemClock
from tests.support.clock import ManualClock


def test_system_clock_units_agree() -> None:
    clock: Clock = SystemClock()
    before_ms = clock.unix_ms()
    micros = clock.unix_us()
    after_ms = clock.unix_ms()
    assert before_ms <= micros // 1000 <= after_ms
    assert before_ms > 1_600_000_000_000


def test_monotonic_clock_never_goes_back() -> None:
    clock = SystemClock()
    seen = [clock.monotonic_ns() for _ in range(100)]
    assert seen == sorted(seen)


def test_system_sleep_lets_time_pass() -> None:
    clock = SystemClock()

    async def nap() -> int:
        start = clock.monotonic_ns()
        await clock.sleep(0.005)
        return clock.monotonic_ns() - start

    assert asyncio.run(nap()) >= 4_000_000


def test_manual_clock_wakes_sleepers_in_order_of_their_due_time() -> None:
    async def scenario() -> list[str]:
        clock: ManualClock = ManualClock()
        woken: list[str] = []

        async def sleeper(name: str, seconds: float) -> None:
            await clock.sleep(seconds)
            woken.append(name)

        async with asyncio.TaskGroup() as group:
            group.create_task(sleeper("late", 2))
            group.create_task(sleeper("early", 1))
            await asyncio.sleep(0)
            clock.advance(0.5)
            await asyncio.sleep(0)
            assert woken == []
            clock.advance(0.5)
            await asyncio.sleep(0)
            assert woken == ["early"]
            clock.advance(1)
        return woken

    assert asyncio.run(scenario()) == ["early", "late"]


@pytest.mark.parametrize("seconds", [0.25, 3.0])
def test_manual_clock_moves_wall_and_monotonic_together(seconds: float) -> None:
    clock = ManualClock(unix_ms=5_000)
    start = clock.monotonic_ns()
    clock.advance(seconds)
    assert clock.monotonic_ns() - start == seconds * 1e9
    assert clock.unix_us() == 5_000_000 + seconds * 1e6
