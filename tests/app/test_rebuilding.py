from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from gateway.accounting.limits import Lease, Limits
from gateway.accounting.memory_state import MemoryState
from gateway.app.rebuilding import Rebuilding
from gateway.core.errors import BudgetExceeded
from gateway.core.exchange import Principal
from gateway.core.recorded import RECORDED_FILE, WANTED_FILE, Recorded, Used, Wanted
from tests.support.clock import ManualClock
from tests.support.records import lines, record
from tests.support.settings import good, load

TEXT = """
version: 1
limits:
  - {scope: key, budget: {usd: 1, per: month}}
"""
CENT = 10_000_000


class Start:
    """A worker's start, with its spool and what it counts."""

    def __init__(self, folder: Path, text: str = TEXT) -> None:
        self.clock = ManualClock()
        self.settings = good(load(folder, text))
        self.run_dir = self.settings.home / "run"
        self.run_dir.mkdir(parents=True)
        self.settings.spool.dir.mkdir(parents=True)
        self.limits = Limits(self.settings.limits, self.clock, MemoryState(self.clock))

    def begun(self, *cents: int) -> Rebuilding:
        """Lay calls into the spool, and begin."""
        at_us = self.clock.unix_us() - 1_000_000
        made = [record(started_us=at_us, cost_nanousd=each * CENT) for each in cents]
        (self.settings.spool.dir / "worker-0-1-0.ndjson").write_bytes(lines(*made))
        return Rebuilding(self.settings, lambda: self.limits, dict, self.clock, first_s=0.5)

    def wanted(self) -> Wanted:
        return msgspec.json.decode((self.run_dir / WANTED_FILE).read_bytes(), type=Wanted)

    def answer(self, asked: str, cents: int) -> None:
        used = Used(
            key_id="k1", team="support", tenant="acme", model="small", provider="openai",
            edge_us=self.wanted().edges[0], requests=1, nanousd=cents * CENT,
        )  # fmt: skip
        (self.run_dir / RECORDED_FILE).write_bytes(msgspec.json.encode(Recorded(asked=asked, used=[used])))

    def take(self, cents: int) -> Lease:
        who = Principal(key_id="k1", team="support", tenant="acme")
        return self.limits.take(self.limits.falling(who, ("small", "openai")), (1, cents * CENT))


def test_the_spool_counts_at_once_and_of_the_stores_what_is_beyond_it(tmp_path: Path) -> None:
    start = Start(tmp_path)

    async def test() -> None:
        rebuilding = start.begun(20, 30)
        await rebuilding.begin()
        assert list(start.wanted().segments) == ["worker-0-1-0.ndjson"]
        start.take(50).void()
        with pytest.raises(BudgetExceeded):
            start.take(51)
        start.answer(start.wanted().asked, 80)
        start.clock.advance(1.0)
        await rebuilding.run()
        start.take(20).void()
        with pytest.raises(BudgetExceeded):
            start.take(21)
        assert not (start.run_dir / RECORDED_FILE).exists()

    asyncio.run(test())


def test_an_answer_to_somebody_else_is_none(tmp_path: Path) -> None:
    start = Start(tmp_path)

    async def test() -> None:
        rebuilding = start.begun(20)
        await rebuilding.begin()
        start.answer("another", 100)
        running = asyncio.create_task(rebuilding.run())
        while not start.clock.sleepers:
            await asyncio.sleep(0)
        start.take(80).void()
        start.answer(start.wanted().asked, 100)
        start.clock.advance(1.0)
        await running
        with pytest.raises(BudgetExceeded):
            start.take(1)

    asyncio.run(test())


def test_limits_that_forget_soon_ask_for_nothing(tmp_path: Path) -> None:
    start = Start(tmp_path, "version: 1\nlimits: [{scope: key, requests: {max: 5, per: minute}, concurrency: 2}]\n")

    async def test() -> None:
        rebuilding = start.begun(20)
        await rebuilding.begin()
        await rebuilding.run()
        assert not rebuilding.needed
        assert list(start.run_dir.iterdir()) == []

    asyncio.run(test())


def test_whoever_begins_waits_a_while_for_the_store(tmp_path: Path) -> None:
    start = Start(tmp_path)

    async def test() -> None:
        rebuilding = start.begun()
        rebuilding = Rebuilding(start.settings, lambda: start.limits, dict, start.clock, first_s=60.0)
        beginning = asyncio.create_task(rebuilding.begin())
        while not start.clock.sleepers:
            await asyncio.sleep(0)
        start.answer(start.wanted().asked, 100)
        start.clock.advance(1.0)
        await beginning
        # Calls come now, and nothing is left.
        with pytest.raises(BudgetExceeded):
            start.take(1)
        await rebuilding.run()

    asyncio.run(test())
