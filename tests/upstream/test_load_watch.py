"""Reads servers' metrics over real sockets, on a clock that the test sets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.clients.http import HttpClient
from gateway.core.server_load import LoadReading, LoadSource
from gateway.upstream.load_watch import MAX_METRICS_BYTES, LoadWatch
from tests.support.clock import ManualClock
from tests.support.provider import RESET, ScriptedProvider, Step, chunk, scripted, whole
from tests.support.server_metrics import SGLANG, VLLM

TEXT = b"content-type: text/plain; version=0.0.4\r\n"


class Watched:
    """A watch, its clock, and what it was told."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.http = HttpClient()
        self.told: list[tuple[str, LoadReading]] = []
        self.watch = LoadWatch(self.http, self.clock, lambda *said: self.told.append(said))

    async def turns(self, look: Callable[[], bool]) -> None:
        """Let things happen until something is so."""
        async with asyncio.timeout(20):
            while not look():
                await asyncio.sleep(0.001)

    async def asked(self, server: ScriptedProvider, times: int) -> None:
        await self.turns(lambda: len(server.asked) == times)

    async def waits(self, tasks: int = 1) -> None:
        await self.turns(lambda: self.clock.sleepers == tasks)


@asynccontextmanager
async def watched():
    made = Watched()
    try:
        yield made
    finally:
        await made.watch.close()
        await made.http.close()


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        before = asyncio.all_tasks()
        await test()
        async with asyncio.timeout(20):
            while asyncio.all_tasks() != before:
                await asyncio.sleep(0.001)

    asyncio.run(main())


def source(server: ScriptedProvider, every_s: float = 1.0) -> LoadSource:
    return LoadSource(kind="vllm", url=f"http://127.0.0.1:{server.port}/metrics", every_s=every_s)


def test_a_server_is_read_again_and_again_over_one_connection():
    async def test() -> None:
        async with scripted([whole(VLLM, headers=TEXT)]) as server, watched() as made:
            made.watch.watch({"a": source(server)})
            for number in range(1, 4):
                await made.waits()
                assert len(made.told) == number
                made.clock.advance(0.5)
                await made.waits()
                made.clock.advance(0.5)
                await made.asked(server, number + 1)
            await made.waits()
            assert made.told[0] == ("a", LoadReading(queue=3.0, running=12.0, kv_use=0.5))
            assert (server.connections, server.asked[0].path, server.asked[0].method) == (1, "/metrics", "GET")
            assert made.watch.reads == {("a", "ok"): 4}

    run(test)


@pytest.mark.parametrize(
    "script",
    [
        [whole(b"not here", "404 Not Found", TEXT)],
        [whole(b"up 1\n", headers=TEXT)],
        [whole(SGLANG, headers=TEXT)],
        [RESET],
        [
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            chunk(VLLM),
            *[chunk(b"#" * (1 << 20))] * (1 + (MAX_METRICS_BYTES >> 20)),
            b"0\r\n\r\n",
        ],
    ],
)
def test_what_cannot_be_read_is_asked_for_less_and_less(script: list[Step], caplog: pytest.LogCaptureFixture):
    async def test() -> None:
        good: list[Step] = [whole(VLLM, headers=TEXT)]
        async with scripted(script, script, script, good) as server, watched() as made:
            made.watch.watch({"a": source(server)})
            for number, wait_s in enumerate((2.0, 4.0, 8.0), 1):
                await made.waits()
                assert (len(server.asked), made.told) == (number, [])
                made.clock.advance(wait_s - 0.1)
                await made.waits()
                assert len(server.asked) == number
                made.clock.advance(0.2)
                await made.asked(server, number + 1)
            await made.waits()
            assert len(made.told) == 1
            assert made.watch.reads == {("a", "failed"): 3, ("a", "ok"): 1}
            said = [record.getMessage() for record in caplog.records if record.name == "weighbridge.load"]
            # Once when it begins and once when it is over, not every second.
            assert len([each for each in said if "its load cannot be read" in each]) == 1

    run(test)


def test_a_server_that_does_not_answer_is_given_up():
    async def test() -> None:
        async with scripted([asyncio.Event()]) as server, watched() as made:
            made.http.now = lambda: made.clock.monotonic_ns() / 1e9
            made.watch.watch({"a": source(server)})
            await made.turns(lambda: len(server.asked) == 1)
            made.clock.advance(4.0)
            await made.waits()
            assert (made.watch.reads, made.told, made.http.active()) == ({("a", "failed"): 1}, [], 0)
            await asyncio.wait_for(server.closed.wait(), 20)

    run(test)


def test_a_reload_asks_whom_it_names_and_leaves_alone_who_is_asked_already():
    async def test() -> None:
        async with scripted([whole(VLLM, headers=TEXT)]) as server, watched() as made:
            made.watch.watch({"a": source(server), "b": source(server)})
            await made.waits(2)
            made.watch.watch({"a": source(server), "c": source(server)})
            await made.turns(lambda: len(made.told) == 3)
            assert sorted(name for name, _ in made.told) == ["a", "b", "c"]
            made.watch.watch({"a": source(server, 5.0)})
            await made.turns(lambda: len(made.told) == 4)
            await made.waits(1)
            made.clock.advance(1.0)
            await asyncio.sleep(0)
            assert len(server.asked) == 4
            made.clock.advance(4.0)
            await made.turns(lambda: len(made.told) == 5)

    run(test)


def test_closing_ends_what_is_on_its_way():
    async def test() -> None:
        async with scripted([asyncio.Event()]) as server, watched() as made:
            made.watch.watch({"a": source(server)})
            await made.turns(lambda: len(server.asked) == 1)
            await made.watch.close()
            await asyncio.wait_for(server.closed.wait(), 20)
            assert made.http.active() == 0

    run(test)
