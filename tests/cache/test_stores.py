"""What holds for every kind of store of answers, on a real disk and on real servers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from gateway.cache.careful import CarefulStore, Shelf
from gateway.cache.embedded import EmbeddedShelf
from gateway.clients.clock import SystemClock
from gateway.clients.redis_cache import RedisCache
from gateway.clients.redis_line import RedisAccess
from gateway.core.cached import Selector
from tests.support.answers import a_vector, an_answer, key_of
from tests.support.redis_server import RedisServer, needs_redis, needs_search, redis_server, search_server

ENTRIES = 30
Test = Callable[[Shelf], Awaitable[None]]


class Kind:
    """One kind of store. Each :meth:`shelf` is another process's view of the same one.

    Args:
        home: The data home.
        server: Where it is not there.
    """

    def __init__(self, home: Path, server: RedisServer | None, *, searches: bool) -> None:
        self._home = home
        self._server = server
        self.searches = searches

    async def shelf(self, **bounds: int) -> EmbeddedShelf | RedisCache:
        most = {"max_bytes": 1 << 20, "max_entries": ENTRIES} | bounds
        clock = SystemClock()
        if self._server is None:
            shelf = EmbeddedShelf(self._home, clock, **most, neighbours=True)
        else:
            access = RedisAccess(host="127.0.0.1", port=self._server.port)
            shelf = RedisCache(access, unix_s=time.time, **most, neighbours=True)
        await shelf.open()
        return shelf

    def run(self, test: Test, **bounds: int) -> None:
        async def main() -> None:
            shelf = await self.shelf(**bounds)
            try:
                await test(shelf)
            finally:
                await shelf.close()

        asyncio.run(main())


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, RedisServer]]:
    with redis_server() as plain, search_server() as searching:
        yield {"redis": plain, "search": searching}


@pytest.fixture(
    params=["home", pytest.param("redis", marks=needs_redis), pytest.param("search", marks=[needs_redis, needs_search])]
)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    if request.param == "home":
        return Kind(tmp_path, None, searches=True)
    server = request.getfixturevalue("servers")[request.param]
    server.say("FLUSHALL")
    return Kind(tmp_path, server, searches=request.param == "search")


def fresh(name: str, **fields: object):
    now_s = int(time.time())
    return an_answer(name, **{"stored_s": now_s, "expires_s": now_s + 600} | fields)


def test_what_is_put_is_had_again_by_everybody_and_replaced(kind: Kind):
    async def test(shelf: Shelf) -> None:
        other = await kind.shelf()
        assert await shelf.get(key_of("one")) is None
        assert await other.get(key_of("one")) is None
        for body in (b"first", b"second" * 1000):
            answer = fresh("one", body=body, tags={"ä": "ö"}, cost_nanousd=None)
            assert await shelf.put(answer, b"") == 0
            assert [await each.get(answer.key) for each in (shelf, other, shelf, other)] == [answer] * 4
        assert await shelf.sums() == await other.sums()
        assert (await shelf.sums())[0] == 1
        await other.close()

    kind.run(test)


def test_what_has_expired_is_gone(kind: Kind):
    async def test(shelf: Shelf) -> None:
        over = fresh("over", expires_s=int(time.time()))
        await shelf.put(over, a_vector(1))
        await shelf.put(fresh("other"), a_vector(2))
        assert await shelf.get(over.key) is None
        assert over.key not in {
            near.key for near, _ in await shelf.near(over.partition, over.fingerprint, a_vector(1), 5)
        }
        assert (await shelf.sums())[0] == 1
        assert [kept.answer.key for kept in await shelf.find(lambda _: True, 5)] == [key_of("other")]

    kind.run(test)


def test_the_nearest_come_first_and_only_of_the_same_partition_and_fingerprint(kind: Kind):
    async def test(shelf: Shelf) -> None:
        if not kind.searches:
            return
        for number in range(12):
            await shelf.put(fresh(f"n{number}"), a_vector(number))
        await shelf.put(fresh("foreign", partition="bb" * 16), a_vector(3))
        await shelf.put(fresh("unlike", fingerprint=b"g" * 32), a_vector(3))
        await shelf.put(fresh("no-vector"), b"")
        asked = a_vector(99, near=3)
        found = await shelf.near("aa" * 16, b"f" * 32, asked, 4)
        assert len(found) == 4
        assert found[0][0].key == key_of("n3")
        assert 0.97 < found[0][1] < 1.0 + 1e-3
        assert [near for _, near in found] == sorted((near for _, near in found), reverse=True)
        assert {answer.key for answer, _ in found} <= {key_of(f"n{number}") for number in range(12)}
        assert [answer.key for answer, _ in await shelf.near("bb" * 16, b"f" * 32, asked, 4)] == [key_of("foreign")]
        assert [answer.key for answer, _ in await shelf.near("aa" * 16, b"g" * 32, asked, 4)] == [key_of("unlike")]
        for partition, fingerprint in (("cc" * 16, b"f" * 32), ("aa" * 16, b""), ("aa" * 8, b"f" * 32), ("", b"")):
            assert await shelf.near(partition, fingerprint, asked, 4) == []
        # A vector of another model finds nothing, and harms nothing.
        assert await shelf.near("aa" * 16, b"f" * 32, asked[:32], 4) == []
        assert len(await shelf.near("aa" * 16, b"f" * 32, asked, 4)) == 4

    kind.run(test)


def test_neighbours_are_seen_by_other_workers_and_so_is_that_they_are_gone(kind: Kind):
    async def test(shelf: Shelf) -> None:
        if not kind.searches:
            return
        other = await kind.shelf()
        await shelf.put(fresh("one"), a_vector(1))
        assert [answer.key for answer, _ in await other.near("aa" * 16, b"f" * 32, a_vector(1), 4)] == [key_of("one")]
        assert await other.remove(key_of("one")) == 1
        assert await shelf.near("aa" * 16, b"f" * 32, a_vector(1), 4) == []
        assert await shelf.get(key_of("one")) is None
        await other.close()

    kind.run(test)


def test_there_are_never_more_entries_or_bytes_than_may_be(kind: Kind):
    async def test(shelf: Shelf) -> None:
        evicted = 0
        for number in range(3 * ENTRIES):
            evicted += await shelf.put(fresh(f"n{number}"), a_vector(number) if number % 2 else b"")
            assert (await shelf.sums())[0] <= ENTRIES
        assert evicted == 2 * ENTRIES
        for number in range(20):
            await shelf.put(fresh(f"large{number}", body=b"x" * 20_000), b"")
            assert (await shelf.sums())[1] <= 100_000
        assert await shelf.put(fresh("too large", body=b"x" * 200_000), b"") == -1
        assert await shelf.get(key_of("too large")) is None
        survey = await shelf.survey()
        assert survey.entries == sum(part.entries for part in survey.parts) > 0
        assert survey.bytes == sum(part.bytes for part in survey.parts)
        assert survey.evictions > 2 * ENTRIES

    kind.run(test, max_bytes=100_000)


def test_what_saves_most_stays_and_what_nobody_asks_for_any_more_goes(kind: Kind):
    async def test(shelf: Shelf) -> None:
        await shelf.put(fresh("dear", cost_nanousd=10**9), b"")
        await shelf.put(fresh("wanted"), b"")
        for _ in range(70):
            assert await shelf.get(key_of("wanted")) is not None
        for number in range(2 * ENTRIES):
            await shelf.put(fresh(f"n{number}"), b"")
        assert await shelf.get(key_of("dear")) is not None
        assert await shelf.get(key_of("wanted")) is not None
        # Others are asked for now: each time one goes, the level rises, and what was once wanted goes as well.
        for number in range(200 * ENTRIES // 30):
            for _ in range(3):
                await shelf.put(fresh(f"m{number}", cost_nanousd=10**6 * (number + 1)), b"")
        assert await shelf.get(key_of("wanted")) is None

    kind.run(test)


def test_entries_are_dropped_by_what_they_are_and_a_dry_run_drops_none(kind: Kind):
    async def test(shelf: Shelf) -> None:
        store = CarefulStore(shelf, SystemClock(), 5.0)
        for number in range(6):
            tags = {"team": "a" if number % 2 else "b"}
            await store.put(fresh(f"n{number}", tags=tags, model=f"m-{number % 3}"), a_vector(number))
        await store.put(fresh("foreign", tenant="zeta", body="Straße".encode()), b"")
        for what, count in (
            (Selector(tag=("team", "a")), 3),
            (Selector(model="m-2"), 2),
            (Selector(model="m-2", tag=("team", "a")), 1),
            (Selector(tenant="zeta"), 1),
            (Selector(text="STRASSE"), 1),
            (Selector(older_than_s=3600), 0),
            (Selector(exchange_id="x-n4"), 1),
            (Selector(everything=True), 7),
            (Selector(), 0),
        ):
            assert await store.drop(what, dry_run=True) == count, what
        assert await store.drop(Selector(tag=("team", "a")), dry_run=False) == 3
        assert await store.drop(Selector(key=key_of("n0")), dry_run=False) == 1
        assert await store.drop(Selector(key=key_of("n0")), dry_run=False) == 0
        assert await store.get(key_of("n1")) is None
        assert await store.get(key_of("n2")) is not None
        assert {key_of("n2"), key_of("n4"), key_of("foreign")} == {
            kept.answer.key for kept in await shelf.find(lambda _: True, 9)
        }
        assert await store.drop(Selector(everything=True), dry_run=False) == 3
        assert await shelf.sums() == (0, 0)

    kind.run(test)


def test_one_asks_and_the_others_get_its_answer_or_their_turn(kind: Kind):
    async def test(shelf: Shelf) -> None:
        second = await kind.shelf()
        one, two = (CarefulStore(each, SystemClock(), 5.0) for each in (shelf, second))
        key = key_of("one")
        lease = await one.lead(key, 60.0)
        assert lease is not None
        assert await two.lead(key, 60.0) is None
        waiting = asyncio.ensure_future(two.wait(key, 30.0))
        await one.put(fresh("one"))
        assert (await waiting) is not None
        await lease.release()
        # Who found nothing just before, and asks for the lead only now, is to look again.
        assert await two.lead(key, 60.0) is None
        assert (await two.wait(key, 30.0)) is not None
        # Somebody who gives up lets the others go on.
        await one.drop(Selector(key=key), dry_run=False)
        lease = await two.lead(key, 60.0)
        assert lease is not None
        waiting = asyncio.ensure_future(one.wait(key, 30.0))
        await lease.release()
        assert await waiting is None
        # Who still asks says so.
        assert await shelf.lead(key, "mine", 0.3)
        await shelf.renew(key, "mine", 60.0)
        await shelf.renew(key, "another's", 0.001)
        until = time.monotonic() + 0.4
        while time.monotonic() < until:
            assert await second.led(key)
        await shelf.release(key, "mine")
        # One that died is not waited for any longer than its lease; nor does anybody wait longer than they want.
        assert await one.lead(key, 0.05) is not None
        assert await two.wait(key, 30.0) is None
        assert await two.lead(key, 60.0) is not None
        assert await one.wait(key, 0.02) is None
        # Who comes late lets go of nothing that is another's.
        await lease.release()
        assert await one.lead(key, 1.0) is None
        await second.close()

    kind.run(test)


def test_small_state_is_kept(kind: Kind):
    async def test(shelf: Shelf) -> None:
        assert await shelf.state_get("promise") == b""
        for data in (b"\x00\xff", b"x" * 10_000):
            await shelf.state_put("promise", data)
            assert await shelf.state_get("promise") == data

    kind.run(test)


def test_what_is_told_reaches_who_shares_the_store(kind: Kind):
    async def test(shelf: Shelf) -> None:
        other = await kind.shelf()
        place, _ = await other.told("")
        await shelf.tell(b"lesson")
        end, told = await other.told(place)
        assert told == ([b"lesson"] if isinstance(shelf, RedisCache) else [])
        assert await other.told(end) == (end, [])
        await other.close()

    kind.run(test)


def test_a_stream_that_is_wanted_is_said_and_heard_part_by_part(kind: Kind):
    async def test(shelf: Shelf) -> None:
        other = await kind.shelf()
        here, there = shelf.relays, other.relays
        assert await here.wanted() == set()
        await there.want(key_of("one"), 60.0)
        await there.want(key_of("two"), 60.0)
        await there.want(key_of("two"), 0.000_1)
        until = time.monotonic() + 10
        while await here.wanted() != {key_of("one")} and time.monotonic() < until:
            pass
        assert await here.wanted() == {key_of("one")}
        assert await there.said(key_of("one"), 0) == []
        assert await there.lies(key_of("one")) == (b"", 0)
        assert await here.say(key_of("one"), [b"head", b"\x00\xff"], 60.0, anew=True)
        assert await there.said(key_of("one"), 0) == [b"head", b"\x00\xff"]
        assert await here.say(key_of("one"), [b""], 60.0, anew=False)
        assert await there.said(key_of("one"), 2) == [b""]
        assert await there.lies(key_of("one")) == (b"head", 3)
        assert await there.said(key_of("one"), 3) == await there.said(key_of("two"), 0) == []
        assert await here.say(key_of("one"), [b"another"], 60.0, anew=True)
        assert await there.said(key_of("one"), 0) == [b"another"]
        assert await here.say(key_of("one"), [b"the last"], 0.000_1, anew=False)
        while await there.said(key_of("one"), 0) and time.monotonic() < until:
            pass
        assert await there.said(key_of("one"), 0) == []
        assert await there.lies(key_of("one")) == (b"", 0)
        # It is not counted with what is kept.
        assert await shelf.sums() == (0, 0)
        await other.close()

    kind.run(test)


def test_a_survey_says_who_has_what_and_what_it_has_saved(kind: Kind):
    async def test(shelf: Shelf) -> None:
        await shelf.put(fresh("one", cost_nanousd=5), b"")
        await shelf.put(fresh("two", tenant="zeta", cost_nanousd=None), b"")
        for _ in range(3):
            await shelf.get(key_of("one"))
            await shelf.get(key_of("two"))
        survey = await shelf.survey()
        assert {
            (part.tenant, part.alias, part.model, part.entries, part.hits, part.saved_nanousd) for part in survey.parts
        } == {
            ("acme", "fast", "m-1", 1, 3, 15),
            ("zeta", "fast", "m-1", 1, 3, 0),
        }
        assert (survey.entries, survey.max_entries, survey.searches) == (2, ENTRIES, kind.searches)
        assert bool(survey.note) is not kind.searches

    kind.run(test)
