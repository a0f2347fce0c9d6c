"""Who restores in Redis, and that whoever took over from one that died counts nothing twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from redis import Redis

from gateway.app.counting import open_counting
from gateway.app.restoring import Restoring, counting_together
from gateway.core.recorded import RECORDED_FILE, WANTED_FILE, Recorded, Used, Wanted
from tests.app.test_build import shared
from tests.support.redis_server import needs_redis, redis_server
from tests.support.settings import good, load

TEXT = """
version: 1
workers: 2
stores: {state: "redis://127.0.0.1:%d", state_timeout: 20s}
limits: [{scope: key, budget: {usd: 1, per: month}}]
"""
SUM = "{wb}:c:*nanousd*"


def test_without_redis_there_is_nothing_to_restore(tmp_path: Path):
    async def test() -> None:
        async with shared(tmp_path) as whole:
            assert counting_together(lambda: good(load(tmp_path, "version: 1\n")), whole) == []

    asyncio.run(test())


@pytest.mark.integration
@needs_redis
def test_who_takes_over_from_one_that_died_counts_nothing_twice(tmp_path: Path):
    async def test(port: int) -> None:
        settings = good(load(tmp_path, TEXT % port))
        run = settings.home / "run"
        run.mkdir(parents=True)
        settings.spool.dir.mkdir(parents=True)
        async with shared(tmp_path) as whole:
            whole.counting = await open_counting(settings, whole.metrics, whole.clock)
            assert whole.counting is not None
            with Redis(port=port) as client:

                async def restored(one: Restoring, cents: int) -> None:
                    running = asyncio.create_task(one.run())
                    while not (run / WANTED_FILE).exists():
                        await asyncio.sleep(0.01)
                    wanted = msgspec.json.decode((run / WANTED_FILE).read_bytes(), type=Wanted)
                    used = Used(key_id="k1", model="m", provider="p", edge_us=wanted.edges[0], nanousd=cents * 10**7)
                    answer = Recorded(asked=wanted.asked, used=[used])
                    (run / RECORDED_FILE).write_bytes(msgspec.json.encode(answer))
                    (run / WANTED_FILE).unlink()
                    while client.get("{wb}:rebuilt") != b"done":
                        await asyncio.sleep(0.01)
                    running.cancel()

                one, two = (Restoring(lambda: settings, whole, whole.counting) for _ in range(2))
                await restored(one, 40)
                # As if it had died before it could say so.
                client.delete("{wb}:rebuilt")
                await restored(two, 40)
                (key,) = list(client.scan_iter(SUM))
                assert client.get(key) == b"400000000"
            await whole.counting.close()

    with redis_server() as server:
        asyncio.run(test(server.port))


@pytest.mark.integration
@needs_redis
def test_what_is_told_after_a_loss_is_not_restored_however_soon_it_comes(tmp_path: Path):
    async def test(port: int) -> None:
        settings = good(load(tmp_path, TEXT % port))
        run = settings.home / "run"
        run.mkdir(parents=True)
        settings.spool.dir.mkdir(parents=True)
        async with shared(tmp_path) as whole:
            whole.counting = counting = await open_counting(settings, whole.metrics, whole.clock)
            assert counting is not None
            one = Restoring(lambda: settings, whole, counting)

            async def asked() -> Wanted:
                while not (run / WANTED_FILE).exists():
                    await asyncio.sleep(0.01)
                wanted = msgspec.json.decode((run / WANTED_FILE).read_bytes(), type=Wanted)
                (run / RECORDED_FILE).write_bytes(msgspec.json.encode(Recorded(asked=wanted.asked, used=[])))
                (run / WANTED_FILE).unlink()
                return wanted

            looking = asyncio.create_task(one._look(counting.mark))
            await asked()
            await looking
            known_us, mark = whole.clock.unix_us(), counting.mark
            # Lost before anybody has looked again.
            with Redis(port=port) as client:
                client.flushall()
            staying = asyncio.create_task(counting.run())
            async with asyncio.timeout(30):
                while counting.mark == mark:
                    await asyncio.sleep(0.01)
            looking = asyncio.create_task(one._look(counting.mark))
            assert (await asked()).edges[-1] <= known_us < int(counting.mark.rpartition("-")[2])
            await looking
            staying.cancel()
            await counting.close()

    with redis_server() as server:
        asyncio.run(test(server.port))
