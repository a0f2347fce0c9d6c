"""What was lost is counted again in a real Redis: by one, once, in the same counters as calls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from gateway.accounting.shared_restore import DONE, OTHERS, OURS, Collected, hold
from gateway.accounting.shared_script import CALL, LEAVE, WORKER, with_time
from gateway.accounting.shared_state import SharedState
from gateway.clients.clock import SystemClock
from gateway.clients.redis_line import RedisAccess, connect
from gateway.clients.redis_link import RedisLink, Scripts
from gateway.core.limit_state import Quantity, Refusal
from gateway.core.limits import Period
from gateway.core.state_counts import StateCounts
from tests.support.limit_states import charge
from tests.support.redis_server import RedisServer, needs_redis, redis_server

pytestmark = [pytest.mark.integration, needs_redis]
SCRIPTS = Scripts(with_time(CALL), with_time(WORKER), with_time(LEAVE))
CLOCK = SystemClock()
HOUR = charge(Quantity.TOKENS, 100, 3600.0)
MONTH = charge(Quantity.NANOUSD, 1000, Period(calendar="month"))


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


async def sent(server: RedisServer, *commands: bytes) -> list[object]:
    line = await connect(RedisAccess(host="127.0.0.1", port=server.port), lambda _: None)
    answers: list[object] = [await line.answer(text) for text in commands]
    line.close()
    return answers


async def room(server: RedisServer, tokens: int, nanousd: int) -> bool:
    """Whether a call of this size is admitted; it is void then."""
    access, counts = RedisAccess(host="127.0.0.1", port=server.port), StateCounts()
    link = RedisLink(access, SCRIPTS, "w", limit_s=30.0, sleep=asyncio.sleep, counts=counts)
    assert await link.start()
    held = await SharedState(link, SCRIPTS, CLOCK, otherwise="deny").take((HOUR, MONTH), (1, tokens, nanousd))
    if not isinstance(held, Refusal):
        held.void()
    await link.close()
    return not isinstance(held, Refusal)


def test_it_is_counted_where_calls_are_and_each_counter_once(server: RedisServer):
    collected = Collected(CLOCK)
    # In no order; what is older than the window, or of another period, is left out.
    for age_s, amount in ((600.0, 30), (2400.0, 20), (601.0, 10), (4000.0, 500)):
        collected.restore(HOUR, amount, age_s)
    collected.restore(MONTH, 700, 0.0)
    collected.restore(MONTH, 5000, 40 * 86_400.0)

    async def test() -> None:
        # Calls that came before it are counted beside it.
        assert await room(server, 100, 1000)
        assert await sent(server, hold(b"one"), hold(b"two"), hold(b"one")) == [OURS, OTHERS, OURS]
        assert await sent(server, *collected.commands(b"two")) == [0, 0]
        assert await sent(server, *collected.commands(b"one")) == [1, 1]
        assert (await room(server, 40, 300), await room(server, 41, 300), await room(server, 40, 301)) == (
            True, False, False,
        )  # fmt: skip
        # Again, by whoever: nothing is counted twice.
        assert await sent(server, *collected.commands(b"one")) == [1, 1]
        assert await room(server, 40, 300)
        assert await sent(server, hold(b"two", done=True), hold(b"one", done=True), hold(b"two")) == [
            OTHERS,
            DONE,
            DONE,
        ]

    asyncio.run(test())
    assert len(collected) == 2
