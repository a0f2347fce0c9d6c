"""``python -m loadtests.admission``: what it costs to admit a call and to settle it, in memory and in a real Redis.

The whole of it: which limits a call falls under, what it is likely to take, taking that from all of them, and counting
what it used in its place. Four counters: a key's calls and tokens in a minute, a team's money in a month, a model's
calls at once. The caller's processor time only, what the loop and the sockets take included; Redis's own beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import uvloop

from gateway.accounting.ledger import Ledger
from gateway.accounting.limits import Limits
from gateway.accounting.meter import Accounting
from gateway.accounting.prices import PriceBook
from gateway.accounting.shared_script import CALL, LEAVE, WORKER, with_time
from gateway.accounting.shared_state import SharedState
from gateway.clients.clock import SystemClock
from gateway.clients.redis_line import RedisAccess, command, connect
from gateway.clients.redis_link import RedisLink, Scripts
from gateway.clients.tokenizers import Tokenizers
from gateway.core.call import Call
from gateway.core.exchange import Deployment, Incoming, Principal, Request
from gateway.core.limits import Budget, LimitRule, Period
from gateway.core.state_counts import StateCounts
from gateway.core.usage import Usage
from gateway.wire import passthrough
from gateway.wire.limit_head import limit_headers
from loadtests.ports import free_port

MONTH = Period(calendar="month")
RULES = (
    LimitRule(scope="key", requests=(10**9, 60), tokens=(10**12, 60)),
    LimitRule(scope="team", budget=Budget(nanousd=2**52, per=MONTH)),
    LimitRule(scope="model", concurrency=10_000),
)
WHO = Principal(key_id="key_1", team="support")
TO = Deployment(provider="openai", kind="openai", model="gpt-4o-mini", base_url="", credential=b"")
ASKED = Request(
    dialect="openai_chat", operation="chat", route="/v1/chat/completions", upstream_path="/chat/completions",
    model="gpt-4o-mini", body=b"x" * 400, max_output_tokens=300,
)  # fmt: skip
USED = Usage(input_fresh_tokens=90, output_text_tokens=120)
COST_NANOUSD = 85_500
LIMIT_S = 30.0


class Cost(NamedTuple):
    """Of one call, in microseconds of a processor; the store's where there is one."""

    ours_us: float
    store_us: float = 0.0
    commands: float = 0.0


def _no_reply() -> Any:
    return None


def _call() -> Call:
    incoming = Incoming("POST", "/v1/chat/completions", "", {}, b"", "", 0)
    return Call(incoming, _no_reply(), None, passthrough.DIALECT)


def _settle(call: Call) -> None:
    if call.lease is not None:
        call.lease.settle(USED, COST_NANOUSD)


def _ledger(clock: SystemClock, shared: SharedState | None = None) -> Ledger:
    book = PriceBook(())
    book.warm()
    return Ledger(Accounting(book, Tokenizers(), Limits(RULES, clock, shared=shared)))


async def _timed(one: Callable[[Call], Coroutine[Any, Any, None]], calls: int, together: int) -> float:
    """Microseconds a call."""

    async def some(number: int) -> None:
        call = _call()
        for _ in range(number):
            await one(call)

    await some(200)
    began = time.process_time()
    await asyncio.gather(*(some(calls // together) for _ in range(together)))
    return (time.process_time() - began) / (calls // together * together) * 1e6


async def in_memory(calls: int, together: int, *, told: bool = False) -> Cost:
    """Admit and settle calls in this process; where that is asked for, clients are told how their limits stand."""
    clock = SystemClock()
    ledger = _ledger(clock)

    async def one(call: Call) -> None:
        call.lease = lease = ledger.reserve(call, WHO, ASKED, TO)
        if lease is not None and told:
            limit_headers(ASKED.dialect, lease.standings(), clock.unix_us())
        _settle(call)

    return Cost(await _timed(one, calls, together))


async def in_redis(port: int, calls: int, together: int) -> Cost:
    """Admit and settle calls in a store."""
    clock, scripts = SystemClock(), Scripts(with_time(CALL), with_time(WORKER), with_time(LEAVE))
    access = RedisAccess(host="127.0.0.1", port=port)
    link = RedisLink(access, scripts, os.urandom(4).hex(), limit_s=LIMIT_S, sleep=clock.sleep, counts=StateCounts())
    await link.start()
    running = asyncio.get_running_loop().create_task(link.run())
    ledger = _ledger(clock, SharedState(link, scripts, clock, otherwise="deny"))

    async def one(call: Call) -> None:
        call.lease = None
        await ledger.hold(call, WHO, ASKED, TO)
        _settle(call)

    before = await _told(port)
    ours_us = await _timed(one, calls, together)
    running.cancel()
    # Waits until all is settled.
    await link.close()
    after = await _told(port)
    each = calls // together * together + 200
    return Cost(ours_us, (after[0] - before[0]) / each * 1e6, (after[1] - before[1]) / each)


async def _told(port: int) -> tuple[float, int]:
    """Processor seconds of the server so far, and how many scripts it has run."""
    line = await connect(RedisAccess(host="127.0.0.1", port=port), lambda _: None)
    said = await line.answer(command(b"INFO", b"everything"))
    line.close()
    text = said.decode() if isinstance(said, bytes) else ""
    seconds = sum(float(found) for found in re.findall(r"used_cpu_(?:user|sys):([\d.]+)", text))
    run = re.search(r"cmdstat_evalsha:calls=(\d+)", text)
    return seconds, 0 if run is None else int(run[1])


@contextmanager
def redis() -> Iterator[int]:
    """Have a server for a while; gives its port."""
    port = free_port()
    server = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""],
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.01)
        yield port
    finally:
        server.kill()
        server.wait()


def main() -> int:
    """Measure one beside the other, round by round, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.admission", description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    calls: int = options.calls
    rounds: int = options.rounds
    with redis() as port:
        for together in (1, 64):
            memory = [uvloop.run(in_memory(calls, together)) for _ in range(rounds)]
            told = [uvloop.run(in_memory(calls, together, told=True)) for _ in range(rounds)]
            shared = [uvloop.run(in_redis(port, calls, together)) for _ in range(rounds)]
            sys.stdout.write(
                f"{together:3} at once: memory {_shown(memory)} µs, {_shown(told)} µs with headers; "
                f"Redis {_shown(shared)} µs of ours, "
                f"{sorted(each.store_us for each in shared)[rounds // 2]:.0f} µs of its own, "
                f"{shared[0].commands:.2f} commands a call, one of them waited for\n"
            )
    sys.stdout.write(f"at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB\n")
    return 0


def _shown(costs: list[Cost]) -> str:
    """The median, and the least."""
    each = sorted(cost.ours_us for cost in costs)
    return f"{each[len(each) // 2]:.1f} (least {each[0]:.1f})"


if __name__ == "__main__":
    sys.exit(main())
