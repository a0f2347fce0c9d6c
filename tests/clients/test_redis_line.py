"""Questions and answers on one connection, however these arrive; and who is not let in."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from gateway.clients.redis_line import Answer, RedisAccess, RedisFault, RedisLine, command, connect
from gateway.core.errors import StoreUnavailable
from tests.support.redis_server import RedisServer, needs_redis, redis_server


class Wire(asyncio.WriteTransport):
    """Keeps what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def abort(self) -> None:
        self.aborted = True


def line() -> tuple[RedisLine, Wire, list[str]]:
    lost: list[str] = []
    made, wire = RedisLine(lost.append), Wire()
    made.connection_made(wire)
    return made, wire, lost


SAID = [
    b"$5\r\nhello\r\n",
    b"$0\r\n\r\n",
    b"$-1\r\n",
    b":42\r\n",
    b"+OK\r\n",
    b"-OOM command not allowed\r\n",
    b"$4\r\n\r\n\r\n\r\n",
]
MEANT: list[Answer] = [b"hello", b"", None, 42, b"OK", RedisFault("OOM"), b"\r\n\r\n"]


@given(st.lists(st.integers(0, len(SAID) - 1), max_size=12), st.lists(st.integers(0, 200), max_size=6))
def test_answers_arrive_in_order_however_they_are_cut(which: list[int], cuts: list[int]):
    made, wire, lost = line()
    heard: list[Answer] = []
    for _ in which:
        made.ask(command(b"PING"), heard.append)
    assert len(made) == len(which)
    assert wire.written == b"*1\r\n$4\r\nPING\r\n" * len(which)
    data = b"".join(SAID[each] for each in which)
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for begin, end in itertools.pairwise(places):
        made.data_received(data[begin:end])
    assert heard == [MEANT[each] for each in which]
    assert (len(made), lost, wire.aborted) == (0, [], False)


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 400 Bad Request\r\n", b"*1\r\n:1\r\n", b"$2000000\r\nxx", b"+unasked\r\n+again\r\n"]
)
def test_what_speaks_otherwise_is_hung_up_on(said: bytes):
    made, wire, lost = line()
    heard: list[Answer] = []
    made.ask(command(b"PING"), heard.append)
    made.data_received(said)
    assert (wire.aborted, lost, len(made)) == (True, ["no Redis"], 0)
    # What comes later, or is asked later, is nobody's.
    made.connection_lost(None)
    made.ask(command(b"PING"), heard.append)
    assert (lost, len(made)) == (["no Redis"], 0)


def test_who_waits_is_told_that_the_line_is_lost():
    async def main() -> None:
        made, _, lost = line()
        waiting = asyncio.ensure_future(made.answer(command(b"PING")))
        await asyncio.sleep(0)
        made.connection_lost(None)
        with pytest.raises(StoreUnavailable):
            await waiting
        assert lost == ["connection lost"]
        with pytest.raises(StoreUnavailable):
            await made.answer(command(b"PING"))

    asyncio.run(main())


def on(
    server: RedisServer,
    test: Callable[[RedisLine], Awaitable[None]],
    *,
    user: str = "",
    password: str | None = None,
    database: int = 0,
) -> None:
    async def main() -> None:
        access = RedisAccess(host="127.0.0.1", port=server.port, user=user, password=password, database=database)
        made = await connect(access, lambda _: None)
        try:
            await test(made)
        finally:
            made.close()

    asyncio.run(main())


@pytest.mark.integration
@needs_redis
def test_a_real_server_lets_in_who_has_the_password_and_nobody_else():
    async def test(made: RedisLine) -> None:
        assert await made.answer(command(b"SET", b"k", b"v")) == b"OK"
        assert await made.answer(command(b"GET", b"k")) == b"v"
        assert await made.answer(command(b"NONSENSE")) == RedisFault("ERR")

    with redis_server("--requirepass", "right") as server:
        with Redis(port=server.port, password="right") as redis:
            redis.execute_command("ACL", "SETUSER", "some", "on", ">other", "~*", "+@all")
        on(server, test, password="right")
        on(server, test, user="some", password="other", database=3)
        for user, password, database in (("", "wrong", 0), ("some", "right", 0), ("", None, 1)):
            with pytest.raises(StoreUnavailable) as refused:
                on(server, test, user=user, password=password, database=database)
            assert not {"wrong", "right"} & set(refused.value.public_message.split())
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        on(server, test)
