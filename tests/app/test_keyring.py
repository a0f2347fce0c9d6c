"""A worker's keys follow their store: changes, ends, failures, other digests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from gateway.app.keyring import EVERY_S, KeyRing
from gateway.config.references import Secret
from gateway.config.settings import KeyEntry
from gateway.core.errors import AuthenticationFailed, StoreUnavailable
from gateway.core.exchange import Principal
from gateway.core.keys import KeyBatch, StoredKey
from tests.support.clock import ManualClock
from tests.support.virtual_keys import NOW_S, PEPPER, changed, minted

DECLARED = (KeyEntry(id="file", secret=Secret("wb-declared", "env:X"), team="red"),)


class Store:
    """A store in memory, that may be away or begin anew with another pepper."""

    def __init__(self) -> None:
        self.keys: list[StoredKey] = []
        self.generation = 0
        self.digests = PEPPER
        self.away = False
        self.closed = False

    async def pepper(self) -> bytes:
        return self.digests

    async def read(self, cursor: str) -> KeyBatch | None:
        if self.away:
            raise StoreUnavailable("away.")
        generation, _, seen = cursor.partition(":")
        now = f"{self.generation}:{len(self.keys)}"
        if now == cursor:
            return None
        whole = generation != str(self.generation)
        return KeyBatch(cursor=now, keys=tuple(self.keys[0 if whole else int(seen) :]), whole=whole)

    async def put(self, key: StoredKey, expected: int) -> None:
        self.keys.append(key)

    async def close(self) -> None:
        self.closed = True


def run(test: Callable[[KeyRing, Store, ManualClock], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        clock, store = ManualClock(NOW_S * 1000), Store()
        ring = KeyRing(clock)
        ring.follow(store)
        await test(ring, store, clock)
        await ring.close()
        assert store.closed

    asyncio.run(main())


def who(ring: KeyRing, token: str, entries: tuple[KeyEntry, ...] = DECLARED) -> Principal:
    return ring.identity(entries).identify({b"authorization": b"Bearer " + token.encode()})


def test_what_is_in_the_store_and_in_the_file_is_known_and_what_is_revoked_is_not():
    async def test(ring: KeyRing, store: Store, clock: ManualClock) -> None:
        key, token = minted(team="blue")
        await store.put(key, 0)
        assert await ring.once()
        assert who(ring, token).team == "blue"
        assert who(ring, "wb-declared").team == "red"
        assert not await ring.once()
        await store.put(changed(key, revoked_s=NOW_S), 1)
        assert await ring.once()
        with pytest.raises(AuthenticationFailed):
            who(ring, token)
        with pytest.raises(AuthenticationFailed):
            who(ring, "wb-declared", ())

    run(test)


def test_before_the_store_was_read_nobody_is_called_unknown_and_afterwards_it_may_be_away(
    caplog: pytest.LogCaptureFixture,
):
    async def test(ring: KeyRing, store: Store, clock: ManualClock) -> None:
        key, token = minted()
        await store.put(key, 0)
        store.away = True
        await ring.load()
        await ring.load()
        with pytest.raises(StoreUnavailable):
            who(ring, token)
        assert who(ring, "wb-declared").key_id == "file"
        store.away = False
        assert await ring.once()
        store.away = True
        assert not await ring.once()
        assert who(ring, token).key_id == key.id
        with pytest.raises(AuthenticationFailed):
            who(ring, "wb-unknown")

    run(test)
    assert [record.levelname for record in caplog.records].count("WARNING") == 2


def test_a_key_ends_when_it_ends_though_the_store_is_away():
    async def test(ring: KeyRing, store: Store, clock: ManualClock) -> None:
        key, token = minted(expires_s=NOW_S + 10)
        await store.put(key, 0)
        await ring.once()
        renewals: list[None] = []
        running = asyncio.create_task(ring.run(lambda: renewals.append(None)))
        await asyncio.sleep(0)
        store.away = True
        while not renewals:
            assert clock.unix_ms() <= (NOW_S + 10) * 1000
            assert who(ring, token).key_id == key.id
            clock.advance(EVERY_S / 4)
            for _ in range(4):
                await asyncio.sleep(0)
        assert clock.unix_ms() == (NOW_S + 10) * 1000
        with pytest.raises(AuthenticationFailed):
            who(ring, token)
        running.cancel()

    run(test)


def test_a_store_that_begins_anew_with_another_secret_is_followed():
    async def test(ring: KeyRing, store: Store, clock: ManualClock) -> None:
        key, token = minted()
        await store.put(key, 0)
        await ring.once()
        assert who(ring, "wb-declared").key_id == "file"
        store.digests, store.generation = b"q" * 32, 1
        fresh, other = minted(b"q" * 32)
        store.keys = [fresh]
        assert await ring.once()
        assert who(ring, other).key_id == fresh.id
        assert who(ring, "wb-declared").key_id == "file"
        with pytest.raises(AuthenticationFailed):
            who(ring, token)

    run(test)


def test_declared_keys_end_too():
    async def test(ring: KeyRing, store: Store, clock: ManualClock) -> None:
        entry = (KeyEntry(id="f", secret=Secret("wb-d", "env:X"), expires_s=NOW_S + 5),)
        await ring.once()
        assert who(ring, "wb-d", entry).key_id == "f"
        clock.advance(5)
        assert await ring.once()
        with pytest.raises(AuthenticationFailed):
            who(ring, "wb-d", entry)

    run(test)
