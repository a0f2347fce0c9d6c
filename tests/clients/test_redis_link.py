"""A link to a real Redis that is slow, gone, emptied, full, a replica or a stranger: nothing hangs, nothing is lost."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from redis import Redis

from gateway.accounting.shared_script import CALENDAR, CALL, LEAVE, SETTLE, TAKE, WORKER, with_time
from gateway.clients import redis_link
from gateway.clients.redis_line import RedisAccess, words_of
from gateway.clients.redis_link import PREFIX, Question, RedisLink, Scripts
from gateway.core.state_counts import StateCounts
from loadtests.ports import free_port
from tests.support.redis_server import RedisServer, needs_redis, redis_server

pytestmark = [pytest.mark.integration, needs_redis]
SCRIPTS = Scripts(with_time(CALL), with_time(WORKER), with_time(LEAVE))
KEY = PREFIX + b"c:money"
DONE = 1


class Asking:
    """Takes and settles amounts of one counter that has no end."""

    def __init__(self, link: RedisLink) -> None:
        self.link = link
        self._tickets = itertools.count()
        self._settled = itertools.count(1)

    async def take(self, amount: int) -> str | None:
        """Its ticket, when there was an answer, and room."""
        ticket = f"t{next(self._tickets)}"
        waiter: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        if not self.link.ask(Question(self._text(TAKE, ticket, 0, amount), waiter.set_result, kept=False)):
            return None
        answer = await waiter
        return ticket if answer is not None and msgspec.msgpack.decode(answer)[0] == DONE else None

    def settle(self, ticket: str, amount: int) -> None:
        self.link.settle(self._text(SETTLE, ticket, next(self._settled), amount))

    def _text(self, what: str, ticket: str, number: int, amount: int) -> bytes:
        rules = msgspec.msgpack.encode([CALENDAR, 1000, 2**51])
        question = msgspec.msgpack.encode([what, ticket, number, amount])
        return b"*8\r\n" + SCRIPTS.opening + words_of(b"2", self.link.record, KEY, rules, question)


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.002)


def on(
    server: RedisServer,
    test: Callable[[Asking, RedisLink], Awaitable[None]],
    *,
    limit_s: float = 20.0,
    starts: bool = True,
    password: str | None = None,
) -> RedisLink:
    async def main() -> RedisLink:
        access = RedisAccess(host="127.0.0.1", port=server.port, password=password)
        link = RedisLink(access, SCRIPTS, "w", limit_s=limit_s, sleep=asyncio.sleep, counts=StateCounts())
        assert await link.start() == starts
        running = asyncio.create_task(link.run())
        await test(Asking(link), link)
        running.cancel()
        await link.close()
        return link

    return asyncio.run(main())


def counted(server: RedisServer) -> int:
    with Redis(port=server.port) as redis:
        return int(redis.get(KEY) or 0)


def test_a_call_is_counted_and_settled_and_a_worker_that_stops_leaves_nothing_behind():
    async def test(asking: Asking, link: RedisLink) -> None:
        first, second = await asyncio.gather(asking.take(400), asking.take(500))
        assert first is not None
        assert second is not None
        assert await asking.take(101) is None
        asking.settle(first, 1)
        asking.settle(second, 2)
        await until(lambda: link.told().waiting == 0)

    with redis_server() as server:
        link = on(server, test)
        assert counted(server) == 3
        assert (link.counts.late, link.counts.dropped, link.counts.workers) == (0, 0, 1)
        assert server.say("EXISTS", "{wb}:w:w", "{wb}:workers") == b":0\r\n"


def test_a_server_that_is_held_up_makes_nobody_wait_and_counts_what_it_missed_once():
    async def test(asking: Asking, link: RedisLink) -> None:
        known = await asking.take(10)
        assert known is not None
        server.hold()
        assert await asyncio.gather(*(asking.take(100) for _ in range(redis_link.LATE_IN_A_ROW))) == [None] * 5
        # Nobody waits any more; what has ended meanwhile does.
        assert not link.ready
        assert await asking.take(1) is None
        assert link.counts.late == redis_link.LATE_IN_A_ROW
        asking.settle(known, 7)
        for unheard in range(1, 6):
            asking.settle(f"t{unheard}", 5)
        # By then it has been given up, and asked over another connection.
        await until(lambda: link._line is None)
        server.go_on()
        await until(lambda: link.ready and link.told().waiting == 0)
        assert counted(server) == 7 + 5 * 5
        assert await asking.take(1) is not None

    with redis_server() as server:
        on(server, test, limit_s=0.05)


def test_a_server_that_was_slow_for_a_moment_is_asked_again_over_the_same_connection():
    async def test(asking: Asking, link: RedisLink) -> None:
        line = link._line
        server.hold()
        await asyncio.gather(*(asking.take(1) for _ in range(redis_link.LATE_IN_A_ROW)))
        assert not link.ready
        server.go_on()
        await until(lambda: link.ready)
        assert link._line is line

    with redis_server() as server:
        on(server, test, limit_s=0.05)


def test_settlements_outlive_a_server_that_is_gone_as_many_as_may_wait(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(redis_link, "MOST_WAITING", 3)

    async def test(asking: Asking, link: RedisLink) -> None:
        ticket = await asking.take(10)
        assert ticket is not None
        server.stop()
        await until(lambda: not link.ready)
        assert await asking.take(10) is None
        for number in range(5):
            asking.settle(f"u{number}", 20)
        assert (link.told().waiting, link.counts.dropped) == (3, 2)
        server.start()
        await until(lambda: link.ready and link.told().waiting == 0)
        assert counted(server) == 60
        assert link.counts.emptied == 1

    with redis_server() as server:
        on(server, test)


def test_a_server_that_lost_all_or_its_scripts_is_told_anew_and_no_call_notices():
    async def test(asking: Asking, link: RedisLink) -> None:
        with Redis(port=server.port) as redis:
            redis.script_flush()
            ticket = await asking.take(10)
            assert ticket is not None
            redis.flushall()
            assert await asking.take(5) is not None
            asking.settle(ticket, 8)
            await until(lambda: link.ready and link.told().waiting == 0)
            assert counted(server) == 13
            assert link.counts.emptied == 1
            # Somebody has put something else where it counts: what can never be settled is dropped, others are not.
            redis.delete(KEY)
            redis.set(KEY.decode(), "no number")
            asking.settle("x", 1)
            assert await asking.take(1) is None
            redis.delete(KEY)
            asking.settle("y", 4)
            await until(lambda: link.told().waiting == 0)
            assert (counted(server), link.counts.dropped, link.ready) == (4, 1, True)

    with redis_server() as server:
        on(server, test)


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
        (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
    ],
    ids=["replica", "out of memory"],
)
def test_a_server_that_takes_nothing_is_left_until_it_does(begin: tuple[str, ...], end: tuple[str, ...]):
    async def test(asking: Asking, link: RedisLink) -> None:
        ticket = await asking.take(10)
        assert ticket is not None
        assert server.say(*begin) == b"+OK\r\n"
        assert await asking.take(5) is None
        asking.settle(ticket, 3)
        await until(lambda: not link.ready)
        assert link.told().waiting == 1
        assert server.say(*end) == b"+OK\r\n"
        await until(lambda: link.ready and link.told().waiting == 0)
        assert counted(server) == 3

    with redis_server() as server:
        on(server, test)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--requirepass", "right"), "Redis refuses AUTH (WRONGPASS)"),
        (("--cluster-enabled", "yes", "--cluster-port", "0"), "Redis Cluster"),
        (("--replicaof", "127.0.0.1 1"), "a replica"),
    ],
    ids=["wrong password", "cluster", "replica"],
)
def test_a_server_that_is_none_for_us_is_said_to_be_none(
    options: tuple[str, ...], said: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
):
    async def test(asking: Asking, link: RedisLink) -> None:
        assert await asking.take(1) is None
        assert not link.ready

    if "0" in options:
        options = (*options[:-1], str(free_port()), "--dir", str(tmp_path))
    with redis_server(*options) as server:
        on(server, test, starts=False, password="wrong" if said.endswith("(WRONGPASS)") else None)
    assert said in caplog.text
    assert "wrong" not in caplog.text.replace("WRONGPASS", "")


def test_a_worker_that_was_killed_is_counted_no_more(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(redis_link, "DEAD_MS", 50)
    monkeypatch.setattr(redis_link, "BEAT_S", 0.01)

    async def test(asking: Asking, link: RedisLink) -> None:
        del asking
        with Redis(port=server.port) as redis:
            redis.zadd("{wb}:workers", {"killed": 1})
        link.counts.workers = 99
        await until(lambda: link.counts.workers == 1)
        assert server.say("ZCARD", "{wb}:workers") == b":1\r\n"

    with redis_server() as server:
        on(server, test)
