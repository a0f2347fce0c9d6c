"""Hints in a real Redis: what is told is heard while it holds; a server that fails is no worse than none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.clients.redis_hints import MAX_TELLER_CHARS, PREFIX, RedisAccess, RedisHints
from gateway.core.errors import StoreUnavailable
from gateway.core.hint import Hint
from tests.support.redis_server import RedisServer, needs_redis, redis_server

pytestmark = [pytest.mark.integration, needs_redis]
NAMES = ["one", "two", "three"]


def on(server: RedisServer, test: Callable[[RedisHints], Awaitable[None]], password: str | None = None) -> None:
    async def main() -> None:
        store = RedisHints(RedisAccess(host="127.0.0.1", port=server.port, password=password))
        try:
            await test(store)
        finally:
            await store.close()

    asyncio.run(main())


def test_what_is_told_is_heard_until_it_is_over():
    async def test(store: RedisHints) -> None:
        assert await store.exchange([], NAMES) == []
        assert await store.exchange([], []) == []
        told = [Hint("one", 60.0, "a"), Hint("two", 60.0, "b"), Hint("elsewhere", 60.0, "b")]
        heard = {each.name: each for each in await store.exchange(told, NAMES)}
        assert {name: each.teller for name, each in heard.items()} == {"one": "a", "two": "b"}
        assert all(50.0 < each.for_s <= 60.0 for each in heard.values())
        # Told again it lasts anew; told for a moment it is over.
        await store.exchange([Hint("one", 90.0, "c"), Hint("two", 0.001, "b")], [])
        while len(heard := {each.name: each for each in await store.exchange([], NAMES)}) > 1:
            await asyncio.sleep(0.001)
        assert (heard["one"].teller, heard["one"].for_s > 60.0) == ("c", True)

    with redis_server() as server:
        on(server, test)


def test_a_key_that_has_no_end_is_no_hint_and_a_long_name_is_cut():
    async def test(store: RedisHints) -> None:
        await store.exchange([Hint("two", 60.0, "x" * 1000)], [])
        assert server.say("PERSIST", PREFIX + "two") == b":1\r\n"
        assert await store.exchange([], NAMES) == []
        await store.exchange([Hint("two", 60.0, "x" * 1000)], [])
        (heard,) = await store.exchange([], NAMES)
        assert heard.teller == "x" * MAX_TELLER_CHARS

    with redis_server() as server:
        on(server, test)


def test_a_server_that_is_gone_stuck_or_refuses_is_told_as_that_and_comes_back():
    async def test(store: RedisHints) -> None:
        assert await store.exchange([Hint("one", 60.0, "a")], []) == []
        server.hold()
        with pytest.raises(StoreUnavailable):
            await store.exchange([], NAMES)
        server.go_on()
        assert len(await store.exchange([], NAMES)) == 1
        server.stop()
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await store.exchange([], NAMES)
        server.start()
        assert await store.exchange([], NAMES) == []

    with redis_server() as server:
        on(server, test)


def test_a_password_is_asked_for_and_never_shown():
    async def right(store: RedisHints) -> None:
        assert await store.exchange([Hint("one", 60.0, "a")], ["two"]) == []

    async def wrong(store: RedisHints) -> None:
        with pytest.raises(StoreUnavailable) as refused:
            await store.exchange([], NAMES)
        assert "guess" not in str(refused.value) + refused.value.public_message

    with redis_server("--requirepass", "right") as server:
        on(server, right, "right")
        on(server, wrong, "guess")
        on(server, wrong)
