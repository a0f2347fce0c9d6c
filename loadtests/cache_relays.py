"""What it takes to follow a stream that another worker leads: CPU, and how much later each piece comes.

python -m loadtests.cache_relays [home|redis …] [--streams 16] [--pieces 400]

Two workers' halves in one process, through a real store on the same machine: CPU time is of both, all threads. First so
many streams run in a worker that shares nothing, then in one where nobody wants them, then each is followed. A piece of
200 bytes comes every 10 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from contextlib import ExitStack, nullcontext
from hashlib import sha256
from pathlib import Path

import uvloop

from gateway.cache.careful import CarefulStore, Shelf
from gateway.cache.embedded import EmbeddedShelf
from gateway.cache.flights import Flight
from gateway.cache.relaying import Relaying
from gateway.clients.clock import SystemClock
from gateway.clients.redis_cache import RedisCache
from gateway.clients.redis_line import RedisAccess
from loadtests.fleet import quantile
from tests.support.redis_server import RedisServer, redis_server

PIECE_S, PIECE_BYTES = 0.010, 200
BOUNDS = {"max_bytes": 1 << 30, "max_entries": 1_000}


class Stamped(Flight):
    """A stream whose pieces say when they came."""

    async def run(self, pieces: int) -> None:
        """Let them come."""
        came = self.opened()
        for _ in range(pieces):
            came.append(b"%019d" % time.monotonic_ns() + b"x" * (PIECE_BYTES - 19))
            await asyncio.sleep(PIECE_S)


def shelf_of(home: Path, server: RedisServer | None) -> Shelf:
    """Open the store as a worker does."""
    if server is None:
        return EmbeddedShelf(home, SystemClock(), **BOUNDS, neighbours=False)
    access = RedisAccess(host="127.0.0.1", port=server.port)
    return RedisCache(access, unix_s=time.time, **BOUNDS, neighbours=False)


async def lags_ms(flight: Flight, pieces: int) -> list[float]:
    """Say how much later than it came each piece was heard."""
    found, at = list[float](), 0
    while len(found) < pieces:
        heard = b"".join(flight.pieces or ())
        now_ns = time.monotonic_ns()
        while at < len(heard):
            found.append((now_ns - int(heard[at : at + 19])) / 1e6)
            at += PIECE_BYTES
        await asyncio.sleep(0.001)
    return found


async def measure(home: Path, server: RedisServer | None, streams: int, pieces: int) -> None:
    """Lead streams that nobody can follow, that nobody does, and that are, and print what each takes."""
    stores = [CarefulStore(shelf_of(home, server), SystemClock(), 5.0) for _ in range(2)]
    for store in stores:
        await store.open()
    alone, leads, hears = (Relaying(store, SystemClock()) for store in (None, *stores))
    for kind, leading in (("alone", alone), ("led only", leads), ("followed", leads)):
        followed = kind == "followed"
        with ExitStack() as stack:
            flights = [Stamped("openai_chat", b"text/event-stream") for _ in range(streams)]
            keys = [sha256(f"{number} {kind}".encode()).digest() for number in range(streams)]
            joined = [stack.enter_context(hears.joining(key)) for key in keys] if followed else []
            for key, flight in zip(keys, flights, strict=True):
                leading.flights.begin(key, flight)
                stack.enter_context(leading.leading(key, lambda _: nullcontext(), sealed=False))
            running = [asyncio.ensure_future(flight.run(pieces)) for flight in flights]
            for each in joined:
                await each.begun
            began_s, cpu_s = time.monotonic(), time.process_time()
            hearing = [asyncio.ensure_future(lags_ms(each.begun.result(), pieces)) for each in joined[:1]]
            await asyncio.gather(*running)
            took_s, used_s = time.monotonic() - began_s, time.process_time() - cpu_s
            print(f"  {streams} streams {kind}: {used_s / took_s * 100:5.1f} % of a core", end="")
            lags = sorted(lag for each in await asyncio.gather(*hearing) for lag in each)
            print(f", later by p50 {quantile(lags, 0.5):.0f} ms, p95 {quantile(lags, 0.95):.0f} ms" if lags else "")
    await leads.close()
    await hears.close()
    for store in stores:
        await store.close()


def main() -> int:
    """Run it for each kind of store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", default=["home", "redis"], choices=["home", "redis", []])
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--pieces", type=int, default=400)
    asked = parser.parse_args()
    for kind in asked.kinds:
        print(kind)
        with tempfile.TemporaryDirectory() as home, redis_server() if kind == "redis" else nullcontext() as server:
            uvloop.run(measure(Path(home), server, asked.streams, asked.pieces))
    return 0


if __name__ == "__main__":
    sys.exit(main())
