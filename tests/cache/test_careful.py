"""A store that fails has nothing, costs little, and is asked again later."""

from __future__ import annotations

import asyncio

import pytest

from gateway.cache.careful import FAILURES, LONGEST_PAUSE_S, MOST_PUTS, CarefulStore
from gateway.core.cache_survey import Kept, Survey, Wanted
from gateway.core.cached import CachedAnswer, Selector
from gateway.core.errors import StoreUnavailable
from tests.support.answers import an_answer, key_of
from tests.support.clock import ManualClock

KEY = key_of("one")


class AShelf:
    """Keeps in memory; fails, or never answers, when told to."""

    searches = True
    note = ""

    def __init__(self) -> None:
        self.relays = self
        self.answers: dict[bytes, CachedAnswer] = {}
        self.leads: dict[bytes, str] = {}
        self.fails = self.hangs = False
        self.closed = 0
        self.asked = 0

    async def _may(self) -> None:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.fails:
            raise StoreUnavailable("It does not answer.")

    async def open(self) -> None:
        await self._may()

    def glance(self, key: bytes) -> tuple[bool, CachedAnswer | None]:
        return False, None

    async def get(self, key: bytes) -> CachedAnswer | None:
        await self._may()
        return self.answers.get(key)

    async def put(self, answer: CachedAnswer, vector: bytes) -> int:
        await self._may()
        self.answers[answer.key] = answer
        return 2

    async def near(
        self, partition: str, fingerprint: bytes, vector: bytes, most: int
    ) -> list[tuple[CachedAnswer, float]]:
        await self._may()
        return [(answer, 1.0) for answer in self.answers.values()]

    async def remove(self, key: bytes) -> int:
        await self._may()
        return 1 if self.answers.pop(key, None) else 0

    async def find(self, wanted: Wanted, most: int) -> list[Kept]:
        raise NotImplementedError

    async def drop(self, wanted: Wanted, *, dry_run: bool) -> int:
        await self._may()
        return sum(map(wanted, self.answers.values()))

    async def lead(self, key: bytes, token: str, ttl_s: float) -> bool:
        await self._may()
        return self.leads.setdefault(key, token) == token

    async def led(self, key: bytes) -> bool:
        await self._may()
        return key in self.leads

    async def renew(self, key: bytes, token: str, ttl_s: float) -> None:
        raise NotImplementedError

    async def release(self, key: bytes, token: str) -> None:
        await self._may()
        if self.leads.get(key) == token:
            del self.leads[key]

    async def state_get(self, name: str) -> bytes:
        await self._may()
        return b"state"

    async def state_put(self, name: str, data: bytes) -> None:
        await self._may()

    async def tell(self, lesson: bytes) -> None:
        await self._may()

    async def told(self, place: str) -> tuple[str, list[bytes]]:
        await self._may()
        return "2", [b"lesson"]

    async def want(self, key: bytes, for_s: float) -> None:
        await self._may()

    async def wanted(self) -> set[bytes]:
        await self._may()
        return {KEY}

    async def say(self, key: bytes, parts: list[bytes], for_s: float, *, anew: bool) -> bool:
        await self._may()
        return anew

    async def lies(self, key: bytes) -> tuple[bytes, int]:
        await self._may()
        return b"part", 1

    async def said(self, key: bytes, after: int) -> list[bytes]:
        await self._may()
        return [b"part"]

    async def sums(self) -> tuple[int, int]:
        await self._may()
        return len(self.answers), 10

    async def survey(self) -> Survey:
        raise NotImplementedError

    async def close(self) -> None:
        self.closed += 1
        self.fails = True


async def ask_everything(store: CarefulStore) -> None:
    """All that a call may ask: nothing is there, nothing raises, and everybody asks for themselves."""
    answer = an_answer("one")
    assert await store.get(KEY) is None
    await store.put(answer)
    assert await store.near("", b"", b"", 1) == []
    assert await store.drop(Selector(key=KEY), dry_run=False) == 0
    assert await store.drop(Selector(everything=True), dry_run=True) == 0
    assert await store.wait(KEY, 10.0) is None
    assert await store.state_get("promise") == b""
    await store.state_put("promise", b"")
    await store.tell(b"lesson")
    assert await store.told("1") == ("1", [])
    await store.want(KEY, 1.0)
    assert await store.wanted() == set()
    assert not await store.say(KEY, [b"part"], 1.0, anew=True)
    assert await store.said(KEY, 0) == []
    assert await store.lies(KEY) == (b"", 0)
    await store.look()
    for _ in range(2):
        lease = await store.lead(KEY, 10.0)
        assert lease is not None
        await lease.release()


def test_a_store_that_fails_has_nothing_and_is_not_asked_any_more(caplog: pytest.LogCaptureFixture):
    async def main() -> None:
        shelf = AShelf()
        store = CarefulStore(shelf, ManualClock(), 1.0)
        await store.put(an_answer("one"))
        shelf.fails = True
        for _ in range(FAILURES):
            assert await store.get(KEY) is None
        asked = shelf.asked
        await ask_everything(store)
        # Dropping more than one is for people, who wait: it is tried always.
        assert shelf.asked == asked + 1

    asyncio.run(main())
    assert [record.levelname for record in caplog.records].count("WARNING") == 1


def test_streams_are_passed_on_by_a_store_that_answers():
    async def main() -> None:
        store = CarefulStore(AShelf(), ManualClock(), 1.0)
        await store.want(KEY, 1.0)
        assert (await store.wanted(), await store.said(KEY, 0)) == ({KEY}, [b"part"])
        assert await store.lies(KEY) == (b"part", 1)
        assert [await store.say(KEY, [], 1.0, anew=anew) for anew in (True, False)] == [True, False]

    asyncio.run(main())


def test_a_store_that_was_closed_is_asked_nothing():
    async def main() -> None:
        shelf = AShelf()
        store = CarefulStore(shelf, ManualClock(), 1.0)
        await store.put(an_answer("one"))
        await store.close()
        asked = shelf.asked
        await ask_everything(store)
        assert (shelf.asked, shelf.closed) == (asked + 1, 1)

    asyncio.run(main())


def test_a_store_that_never_answers_is_waited_for_a_few_times_only():
    async def main() -> None:
        shelf = AShelf()
        store = CarefulStore(shelf, ManualClock(), 0.001)
        await store.put(an_answer("one"))
        shelf.hangs = True
        for _ in range(FAILURES):
            assert await store.get(KEY) is None
        asked = shelf.asked
        assert await store.get(KEY) is None
        assert await store.near("", b"", b"", 1) == []
        assert await store.lead(KEY, 1.0) is not None
        assert shelf.asked == asked

    asyncio.run(main())


def test_it_is_asked_again_by_one_call_after_a_while_that_grows_to_a_limit(caplog: pytest.LogCaptureFixture):
    async def main() -> None:
        shelf, clock = AShelf(), ManualClock()
        store = CarefulStore(shelf, clock, 1.0)
        await store.put(an_answer("one"))
        shelf.fails = True
        for _ in range(FAILURES):
            await store.get(KEY)
        waits: list[int] = []
        for _ in range(10):
            asked, seconds = shelf.asked, 0
            while shelf.asked == asked:
                clock.advance(1.0)
                seconds += 1
                await asyncio.gather(*(store.get(KEY) for _ in range(5)))
            assert shelf.asked == asked + 1
            waits.append(seconds)
        assert waits[0] == 1
        assert LONGEST_PAUSE_S / 2 <= waits[-1] <= LONGEST_PAUSE_S + 1
        shelf.fails = False
        clock.advance(LONGEST_PAUSE_S)
        assert await store.get(KEY) is not None
        assert await store.get(KEY) is not None
        assert store.counts()["errors"] == FAILURES + 10

    caplog.set_level("INFO")
    asyncio.run(main())
    assert [record.levelname for record in caplog.records if record.name == "weighbridge.cache"] == ["WARNING", "INFO"]


def test_an_entry_that_could_not_be_removed_is_never_given_and_removed_when_it_can_be():
    async def main() -> None:
        shelf, clock = AShelf(), ManualClock()
        store = CarefulStore(shelf, clock, 1.0)
        for name in ("one", "two"):
            await store.put(an_answer(name))
        shelf.fails = True
        assert await store.drop(Selector(key=KEY), dry_run=False) == 0
        shelf.fails = False
        assert [answer.key for answer, _ in await store.near("", b"", b"", 2)] == [key_of("two")]
        assert await store.get(KEY) is None
        assert set(shelf.answers) == {key_of("two")}
        await store.put(an_answer("one"))
        assert await store.get(KEY) is not None

    asyncio.run(main())


def test_what_came_of_it_is_counted():
    async def main() -> None:
        shelf = AShelf()
        store = CarefulStore(shelf, ManualClock(), 1.0)
        await store.get(KEY)
        await store.put(an_answer("one"))
        await store.get(KEY)
        await store.open()
        told = {"entries": 1, "bytes": 10, "hits": 1, "misses": 1, "evictions": 2, "refused": 0, "errors": 0}
        assert store.counts() == told

    asyncio.run(main())


def test_no_more_answers_are_on_their_way_than_may_be():
    async def main() -> None:
        shelf = AShelf()
        shelf.hangs = True
        store = CarefulStore(shelf, ManualClock(), 1.0)
        tasks = [asyncio.ensure_future(store.put(an_answer(str(number)))) for number in range(MOST_PUTS)]
        await asyncio.sleep(0)
        await store.put(an_answer("one more"))
        assert store.counts()["refused"] == 1
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        shelf.hangs = False
        await store.put(an_answer("one more"))
        assert set(shelf.answers) == {key_of("one more")}

    asyncio.run(main())


def test_who_waits_looks_ever_less_often_and_no_longer_than_they_want():
    async def main() -> None:
        shelf, clock = AShelf(), ManualClock()
        store = CarefulStore(shelf, clock, 1.0)
        assert await store.lead(KEY, 60.0) is not None
        assert await store.lead(KEY, 60.0) is None
        waiting = asyncio.ensure_future(store.wait(KEY, 5.0))
        for _ in range(600):
            for _ in range(5):
                await asyncio.sleep(0)
            clock.advance(0.01)
        assert waiting.done()
        assert await waiting is None
        assert shelf.asked < 2 * 70

    asyncio.run(main())
