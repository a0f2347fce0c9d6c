from __future__ import annotations

import asyncio
from typing import Any

from gateway.cache.memory import MemoryAnswers
from gateway.core.cache_rules import StoreRule
from gateway.core.cached import CachedAnswer, Selector
from tests.support.clock import ManualClock
from tests.support.rooms import run


def entry(number: int, **more: Any) -> CachedAnswer:
    given: dict[str, Any] = {
        "key": number.to_bytes(32, "big"),
        "partition": "p",
        "tenant": "acme",
        "alias": "m",
        "model": "m-1",
        "policy_revision": "r",
        "tags": {},
        "dialect": "openai_chat",
        "stream": False,
        "body": b"x" * 100,
        "stored_s": 1_700_000_000,
        "expires_s": 1_700_000_060,
        "cost_nanousd": 5,
        "duration_ms": 9,
        "exchange_id": f"id-{number}",
    }
    return CachedAnswer(**given | more)


def store(**rule: Any) -> tuple[MemoryAnswers, ManualClock]:
    clock = ManualClock()
    return MemoryAnswers(StoreRule(**rule), lambda: clock.unix_ms() // 1000, clock.monotonic_ns), clock


def test_an_entry_is_given_until_it_expires():
    async def test() -> None:
        kept, clock = store()
        await kept.put(entry(1))
        assert await kept.get(entry(1).key) == entry(1)
        clock.advance(60)
        assert await kept.get(entry(1).key) is None
        assert kept.counts() == {"entries": 0, "bytes": 0, "hits": 1, "misses": 1, "evictions": 0, "errors": 0}

    run(test)


def test_the_least_used_goes_first_by_number_and_by_size():
    async def test() -> None:
        kept, _ = store(max_entries=2)
        for number in (1, 2):
            await kept.put(entry(number))
        await kept.get(entry(1).key)
        await kept.put(entry(3))
        assert [await kept.get(entry(n).key) is not None for n in (1, 2, 3)] == [True, False, True]
        small, _ = store(max_bytes=3000)
        for number in (1, 2, 3):
            await small.put(entry(number))
        assert small.counts()["entries"] == 2
        await small.put(entry(4, body=b"x" * 5000))
        assert await small.get(entry(4).key) is None
        await small.put(entry(3, body=b"y"))
        assert small.counts()["bytes"] <= 3000

    run(test)


def test_what_is_meant_is_dropped_and_a_dry_run_only_counts():
    async def test() -> None:
        kept, _ = store()
        await kept.put(entry(1))
        await kept.put(entry(2, tenant="other"))
        assert await kept.drop(Selector(tenant="other"), dry_run=True) == 1
        assert kept.counts()["entries"] == 2
        assert await kept.drop(Selector(tenant="other"), dry_run=False) == 1
        assert await kept.drop(Selector(key=entry(1).key), dry_run=False) == 1
        assert await kept.drop(Selector(key=entry(1).key), dry_run=False) == 0
        assert await kept.near("p", b"", b"", 3) == []

    run(test)


def test_one_leads_and_the_others_are_told():
    async def test() -> None:
        kept, clock = store()
        lease = await kept.lead(entry(1).key, 10)
        assert lease is not None
        assert await kept.lead(entry(1).key, 10) is None
        waiting = asyncio.gather(*(kept.wait(entry(1).key, 10) for _ in range(3)))
        await asyncio.sleep(0)
        await kept.put(entry(1))
        assert await waiting == [entry(1)] * 3
        await lease.release()
        # Nobody leads any more: what is there is given at once.
        assert await kept.wait(entry(1).key, 10) == entry(1)
        first = await kept.lead(entry(2).key, 10)
        assert first is not None
        waiting = asyncio.gather(kept.wait(entry(2).key, 10))
        await asyncio.sleep(0)
        await first.release()
        assert await waiting == [None]
        assert await kept.lead(entry(2).key, 10) is not None
        clock.advance(10)
        assert await kept.lead(entry(2).key, 10) is not None
        assert await kept.wait(entry(2).key, 0.001) is None

    run(test)


def test_small_state_is_kept_by_name():
    async def test() -> None:
        kept, _ = store()
        assert await kept.state_get("a") == b""
        await kept.state_put("a", b"1")
        assert await kept.state_get("a") == b"1"
        for number in range(100):
            await kept.state_put(str(number), b"")
        await kept.state_put("a", b"2")
        assert await kept.state_get("a") == b"2"

    run(test)


def test_nobody_is_told_what_is_learnt():
    async def test() -> None:
        kept, _ = store()
        await kept.tell(b"lesson")
        assert await kept.told("") == ("", [])

    run(test)
