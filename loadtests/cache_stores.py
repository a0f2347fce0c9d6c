"""What a store of answers costs when it is full: neighbours, the very same question, room on disk and in memory.

python -m loadtests.cache_stores [home|redis|plain …] [--entries 100000] [--groups 1]

Questions are vectors of 384 dimensions around some thousand topics. One worker; Redis runs on the same machine. CPU
time is of this process, all threads; that of Redis stands beside.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from gateway.cache.careful import CarefulStore
from gateway.cache.embedded import EmbeddedShelf
from gateway.clients.clock import SystemClock
from gateway.clients.redis_cache import RedisCache
from gateway.clients.redis_line import RedisAccess
from gateway.core.cached import CachedAnswer
from loadtests.fleet import quantile
from tests.support.redis_server import RedisServer, redis_server, search_server

DIMENSIONS, TOPICS = 384, 2_000
ASKED = 300
BODY_BYTES = 2_000
MOST = 5
PAGE_BYTES = resource.getpagesize()
Make = Callable[[], Awaitable[EmbeddedShelf | RedisCache]]


def questions(count: int, seed: int) -> Any:
    """Draw so many vectors around topics that are the same each time."""
    topics = np.random.default_rng(1).normal(size=(TOPICS, DIMENSIONS))
    own = np.random.default_rng(seed)
    drawn = topics[own.integers(0, TOPICS, count)] + 0.5 * own.normal(size=(count, DIMENSIONS))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float16)


def entry(number: int, groups: int) -> CachedAnswer:
    """Make an answer of the usual size."""
    now_s = int(time.time())
    return CachedAnswer(
        key=sha256(b"%d" % number).digest(),
        partition=f"{number % groups:032x}",
        tenant="acme",
        alias="fast",
        model="m-1",
        policy_revision="r",
        tags={},
        dialect="openai_chat",
        stream=False,
        body=random.Random(number).randbytes(BODY_BYTES // 2).hex().encode(),
        stored_s=now_s,
        expires_s=now_s + 86_400,
        cost_nanousd=number,
        duration_ms=800,
        exchange_id=f"{number:036x}",
        fingerprint=b"f" * 32,
        question=b"q" * 200,
    )


def resident_bytes() -> int:
    """Say how much memory this process holds."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES


async def timed(name: str, ask: Callable[[int], Awaitable[object]], count: int = ASKED) -> None:
    """Ask one after the other, and print what it takes."""
    walls: list[float] = []
    cpu_ns = time.process_time_ns()
    for number in range(count):
        began_ns = time.perf_counter_ns()
        await ask(number)
        walls.append((time.perf_counter_ns() - began_ns) / 1e6)
    cpu_ms = (time.process_time_ns() - cpu_ns) / 1e6 / count
    say(f"  {name:34} p50 {quantile(walls, 0.5):7.3f} ms   p95 {quantile(walls, 0.95):7.3f} ms   CPU {cpu_ms:6.3f} ms")


def say(line: str) -> None:
    """Print a line now."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def measure(name: str, make: Make, entries: int, groups: int, stored: Callable[[], str]) -> None:
    """Fill one store and ask it."""
    before = resident_bytes()
    shelf = await make()
    vectors = questions(entries, 2)
    held = resident_bytes()
    began_s, cpu_s = time.perf_counter(), time.process_time()
    for number in range(entries):
        await shelf.put(entry(number, groups), vectors[number].tobytes())
    say(f"{name}: {entries} entries in {groups} groups, neighbours: {shelf.searches}")
    spent = (time.perf_counter() - began_s) / entries * 1e3, (time.process_time() - cpu_s) / entries * 1e3
    say(f"  put, one after the other           {spent[0]:7.3f} ms   CPU {spent[1]:6.3f} ms")
    store = CarefulStore(shelf, SystemClock(), 60.0)
    asked = [(number * 7919 % entries) for number in range(ASKED)]
    near = questions_near(vectors, asked)
    settled_s = time.perf_counter()
    await settle(shelf)
    say(f"  until the graph was whole          {time.perf_counter() - settled_s:7.1f} s")
    if shelf.searches:
        await timed("near, best of 5", lambda at: ask_near(store, near[at], asked[at], groups))
        say(f"  found what they were like          {1 - await missed(store, near, asked, groups) / ASKED:7.3f}")
    await timed("get, lately given", lambda _: store.get(entry(asked[0], groups).key))
    keys = [sha256(b"%d" % number).digest() for number in asked]
    await timed("get, not at hand", lambda at: store.get(keys[at]))
    await timed("get, a miss", lambda at: store.get(sha256(b"miss %d" % at).digest()))
    say(f"  a put among others                 {await putting(store, entries, groups):7.3f} ms")
    grown = resident_bytes() - held
    say(f"  memory of this process             {grown / 1e6:7.1f} MB, {grown / entries:.0f} bytes an entry; {stored()}")
    say(f"  before the store was opened        {before / 1e6:7.1f} MB")
    began_s = time.perf_counter()
    await shelf.close()
    say(f"  closed in                          {time.perf_counter() - began_s:7.2f} s")
    shelf = await make()
    store, began_s = CarefulStore(shelf, SystemClock(), 60.0), time.perf_counter()
    await settle(shelf)
    say(f"  a restart until all is found again {time.perf_counter() - began_s:7.2f} s")
    if shelf.searches:
        await timed("near, after a restart", lambda at: ask_near(store, near[at], asked[at], groups))
    await shelf.close()


def questions_near(vectors: Any, asked: list[int]) -> list[bytes]:
    """Draw questions that are like some that are known."""
    own = np.random.default_rng(3)
    drawn = vectors[asked].astype(np.float32) + 0.01 * own.normal(size=(len(asked), DIMENSIONS))
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return [row.tobytes() for row in drawn.astype(np.float16)]


async def ask_near(store: CarefulStore, vector: bytes, like: int, groups: int) -> list[tuple[CachedAnswer, float]]:
    """Ask for the neighbours of a question that is like one that is known."""
    return await store.near(f"{like % groups:032x}", b"f" * 32, vector, MOST)


async def missed(store: CarefulStore, near: list[bytes], asked: list[int], groups: int) -> int:
    """Count those that do not find what they are like."""
    count = 0
    for vector, like in zip(near, asked, strict=True):
        found = await ask_near(store, vector, like, groups)
        count += not found or found[0][0].key != sha256(b"%d" % like).digest()
    return count


async def settle(shelf: EmbeddedShelf | RedisCache) -> None:
    """Wait until all vectors can be found; Redis takes them in while it is asked to keep them."""
    if isinstance(shelf, EmbeddedShelf):
        await shelf.settled()


async def putting(store: CarefulStore, entries: int, groups: int) -> float:
    """Say what one more put takes."""
    vectors = questions(100, 4)
    began_s = time.perf_counter()
    for number in range(100):
        await store.put(entry(entries + number, groups), vectors[number].tobytes())
    return (time.perf_counter() - began_s) * 10


def in_home(entries: int, groups: int) -> None:
    """Measure the store in the data home."""
    home = Path(tempfile.mkdtemp(prefix="weighbridge-cache-"))

    async def make() -> EmbeddedShelf:
        shelf = EmbeddedShelf(home, SystemClock(), max_bytes=1 << 40, max_entries=10 * entries, neighbours=True)
        await shelf.open()
        return shelf

    def stored() -> str:
        size = sum(path.stat().st_size for path in home.rglob("*") if path.is_file())
        return f"on disk {size / entries:.0f} bytes an entry"

    try:
        asyncio.run(measure("home", make, entries, groups, stored))
    finally:
        shutil.rmtree(home)


def in_redis(name: str, server: RedisServer, entries: int, groups: int) -> None:
    """Measure a server."""

    async def make() -> RedisCache:
        access = RedisAccess(host="127.0.0.1", port=server.port)
        shelf = RedisCache(access, unix_s=time.time, max_bytes=1 << 40, max_entries=10 * entries, neighbours=True)
        await shelf.open()
        return shelf

    def stored() -> str:
        said = dict(line.split(":", 1) for line in server.say("INFO").decode().splitlines() if ":" in line)
        return f"the server's {int(said['used_memory']) / entries:.0f} bytes an entry, CPU {said['used_cpu_user']} s"

    asyncio.run(measure(name, make, entries, groups, stored))


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stores", nargs="*", default=["home", "redis", "plain"])
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--groups", type=int, default=1)
    asked = parser.parse_args()
    for name in asked.stores:
        if name == "home":
            in_home(asked.entries, asked.groups)
            continue
        with search_server() if name == "redis" else redis_server() as server:
            in_redis(name, server, asked.entries, asked.groups)


if __name__ == "__main__":
    main()
