"""The scripts in a real Redis, against a model that remembers every single amount."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis

from gateway.accounting.shared_script import (
    CALENDAR,
    CALL,
    DONE,
    EXTEND,
    FULL,
    LEAVE,
    SEATS,
    SETTLE,
    SLIDING,
    STALE,
    TAKE,
    WORKER,
    with_time,
)
from tests.support.redis_server import needs_redis, redis_server

pytestmark = [pytest.mark.integration, needs_redis]
MANUAL = "local now = tonumber(redis.call('GET', 'now'))\n"
SECOND = 1_000_000
BEGIN = 1_700_000_000 * SECOND
# A window of two minutes for requests and for tokens, a period that ends ten minutes on, and two seats.
PLAN = ((SLIDING, 4, 120 * SECOND), (SLIDING, 100, 120 * SECOND), (CALENDAR, 1000, BEGIN + 600 * SECOND))
SEATED = (SEATS, 2, 300 * SECOND)
KEYS = ["{wb}:w:one", "{wb}:requests", "{wb}:tokens", "{wb}:money", "{wb}:seats"]


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with redis_server() as server, Redis(port=server.port) as client:
        yield client


class Store:
    """The scripts, at a time that only moves when a test says so."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        redis.flushall()
        self._call = redis.register_script(with_time(CALL, MANUAL))
        self._worker = redis.register_script(with_time(WORKER, MANUAL))
        self.now = BEGIN
        self.move(0)

    def move(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)
        self.redis.set("now", self.now)

    def announce(self, epoch: int = 1, name: str = "one", mark: str = "m") -> list[Any]:
        keys = [f"{{wb}}:w:{name}", "{wb}:workers", "{wb}:mark"]
        args = [epoch, name, 3_600_000, 15_000, mark, "{wb}:w:"]
        return msgspec.msgpack.decode(cast("bytes", self._worker(keys=keys, args=args)))

    def call(self, what: str, ticket: str, number: int, amounts: list[int], epoch: int = 1) -> list[int]:
        plan = [number for rule in (*PLAN, SEATED) for number in rule]
        args = [msgspec.msgpack.encode(plan), msgspec.msgpack.encode([what, ticket, number, *amounts]), epoch]
        return msgspec.msgpack.decode(cast("bytes", self._call(keys=KEYS, args=args)))

    def everything(self) -> dict[bytes, Any]:
        """All that the store holds."""
        redis, held = self.redis, {}
        for key in cast("list[bytes]", redis.keys("{wb}:*")):
            kind = redis.type(key)
            held[key] = (
                redis.hgetall(key) if kind == b"hash"
                else redis.zrange(key, 0, -1, withscores=True) if kind == b"zset"
                else redis.get(key)
            )  # fmt: skip
        return held


@dataclass
class Counted:
    """Every amount that was counted in one counter, by when; nothing is ever thrown away."""

    kind: int
    limit: int
    length: int
    amounts: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    # When something was counted in a slot last, by its number.
    last: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def there(self, at: int, now: int) -> bool:
        return self.kind == CALENDAR or self.last[self.slot(at)] + self.length > now

    def slot(self, at: int) -> int:
        return at // (self.length // 20)

    def sum(self, now: int) -> int:
        return sum(amount for at, amount in self.amounts if self.there(at, now))

    def add(self, at: int, amount: int, now: int) -> None:
        if not amount:
            return
        if not self.there(at, now) and self.kind == SLIDING and at != now:
            if amount < 0:
                return
            at = now
        self.amounts.append((at, amount))
        if at == now:
            self.last[self.slot(at)] = now


class Model:
    """What the store should say."""

    def __init__(self) -> None:
        self.counters = [Counted(*rule) for rule in PLAN]
        self.seats: dict[str, int] = {}
        self.leases: dict[str, list[tuple[int, list[int]]]] = {}

    def take(self, ticket: str, amounts: list[int], now: int) -> bool:
        self.seats = {name: until for name, until in self.seats.items() if until > now}
        fits = all(c.sum(now) + n <= c.limit for c, n in zip(self.counters, amounts, strict=False))
        if not fits or (amounts[3] and len(self.seats) >= SEATED[1]):
            return False
        for counter, amount in zip(self.counters, amounts, strict=False):
            counter.add(now, amount, now)
        if amounts[3]:
            self.seats[ticket] = now + SEATED[2]
        self.leases.setdefault(ticket, []).append((now, amounts))
        return True

    def settle(self, ticket: str, used: list[int], now: int) -> None:
        steps = self.leases.pop(ticket, [])
        self.seats.pop(ticket, None)
        for place, counter in enumerate(self.counters):
            left = used[place]
            for number, (at, amounts) in enumerate(steps, 1):
                # The earliest are kept; what is more than all of them counts with the last.
                kept = left if number == len(steps) and left > amounts[place] else min(left, amounts[place])
                counter.add(at, kept - amounts[place], now)
                left -= kept
            if not steps:
                counter.add(now, left, now)

    def left(self, now: int) -> list[int]:
        held = sum(until > now for until in self.seats.values())
        return [*(counter.limit - counter.sum(now) for counter in self.counters), SEATED[1] - held]


TOKENS, MONEY = st.integers(0, 100), st.integers(0, 1000)
STEP = st.one_of(
    st.tuples(st.just("move"), st.sampled_from([0.1, 1.0, 5.9, 6.0, 30.0, 119.0, 301.0])),
    st.tuples(st.just("take"), TOKENS, MONEY),
    st.tuples(st.just("extend"), st.integers(0, 9), TOKENS, MONEY),
    st.tuples(st.just("settle"), st.integers(0, 9), TOKENS, MONEY),
    st.tuples(st.just("again")),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, min_size=1, max_size=40))
def test_calls_are_counted_as_a_model_counts_them_that_forgets_nothing(redis: Redis, steps: list[tuple[Any, ...]]):
    store, model = Store(redis), Model()
    store.announce()
    tickets, numbers = itertools.count(), itertools.count(1)
    open_: list[str] = []
    said: list[tuple[str, str, int, list[int]]] = []

    def ask(what: str, ticket: str, number: int, amounts: list[int]) -> list[int]:
        said.append((what, ticket, number, amounts))
        return store.call(what, ticket, number, amounts)

    for step in steps:
        if step[0] == "move":
            store.move(step[1])
            # What had no room then may have some now.
            said.clear()
        elif step[0] == "take":
            ticket, amounts = f"t{next(tickets)}", [1, step[1], step[2], 1]
            answer, fits = ask(TAKE, ticket, 0, amounts), model.take(ticket, amounts, store.now)
            assert answer[0] == (DONE if fits else FULL)
            assert answer[2 if fits else 3 :][::2] == model.left(store.now)
            if fits:
                open_.append(ticket)
            else:
                assert answer[2] > 0
        elif step[0] == "again" and said:
            # The last command over again: as if it had never been sent twice.
            before = store.everything()
            if said[-1][1] in open_ or said[-1][0] == SETTLE:
                assert store.call(*said[-1])[0] in {DONE, FULL}
                assert store.everything() == before
        elif open_ and step[0] in {"extend", "settle"}:
            ticket = open_[step[1] % len(open_)]
            if step[0] == "extend":
                amounts = [0, step[2], step[3], 0]
                answer = ask(EXTEND, ticket, next(numbers), amounts)
                assert (answer[0] == DONE) == model.take(ticket, amounts, store.now)
            else:
                open_.remove(ticket)
                used = [1, step[2], step[3], 0]
                assert ask(SETTLE, ticket, next(numbers), used) == [DONE]
                model.settle(ticket, used, store.now)


def test_a_refused_call_is_told_when_it_would_be_admitted(redis: Redis):
    store = Store(redis)
    store.announce()
    for number in range(3):
        store.call(TAKE, f"{number}", 0, [1, 30, 0, 0])
        store.move(7)
    answer = store.call(TAKE, "late", 0, [1, 40, 0, 0])
    assert answer[:2] == [FULL, 1]
    store.move((answer[2] - 1) / SECOND)
    assert store.call(TAKE, "late", 0, [1, 40, 0, 0])[0] == FULL
    store.move(1 / SECOND)
    assert store.call(TAKE, "late", 0, [1, 40, 0, 0])[0] == DONE


def test_what_an_earlier_connection_left_behind_changes_nothing(redis: Redis):
    store = Store(redis)
    assert store.call(TAKE, "a", 0, [1, 1, 1, 1]) == [STALE]
    store.announce(epoch=1)
    store.call(TAKE, "a", 0, [1, 1, 1, 1])
    store.announce(epoch=2)
    before = store.everything()
    assert store.call(TAKE, "b", 0, [1, 1, 1, 1], epoch=1) == [STALE]
    assert store.call(SETTLE, "a", 1, [1, 1, 1, 1], epoch=1) == [STALE]
    assert store.announce(epoch=1) == [STALE]
    assert store.everything() == before
    assert store.call(TAKE, "b", 0, [1, 1, 1, 1], epoch=2)[0] == DONE


def test_a_call_that_the_store_never_heard_of_is_counted_when_it_ends(redis: Redis):
    store = Store(redis)
    store.announce()
    assert store.call(SETTLE, "unheard", 1, [1, 150, 7, 0]) == [DONE]
    assert store.call(SETTLE, "unheard", 1, [1, 150, 7, 0]) == [DONE]
    assert store.call(TAKE, "next", 0, [1, 1, 1, 1])[3::2] == [3, -50, 993, 2]
    assert redis.ttl("{wb}:tokens") > 0


def test_the_seats_of_a_worker_that_died_are_free_again_and_those_of_the_living_are_not(redis: Redis):
    store = Store(redis)
    store.announce()
    store.announce(name="two")
    assert [store.call(TAKE, ticket, 0, [1, 1, 1, 1])[0] for ticket in "abc"] == [DONE, DONE, FULL]
    store.move(10)
    assert store.announce(name="two")[1] == 2
    assert redis.zcard("{wb}:seats") == 2
    store.move(10)
    # The first has been silent for twenty seconds; the second says so to the store, which gives its seats back.
    assert store.announce(name="two")[1] == 1
    assert redis.zcard("{wb}:seats") == 0
    # It was only held up: it goes on, and its calls are settled as ever.
    assert store.announce(epoch=1)[1] == 2
    assert store.call(SETTLE, "a", 1, [1, 50, 1, 1]) == [DONE]
    assert store.call(TAKE, "d", 0, [1, 49, 1, 1])[2:][::2] == [1, 0, 997, 1]


def test_a_state_that_was_emptied_has_another_mark(redis: Redis):
    store = Store(redis)
    first = f"one-{store.now}"
    assert store.announce(mark="one") == [DONE, 1, first]
    store.move(1)
    assert store.announce(mark="two") == [DONE, 1, first]
    redis.flushall()
    store.move(0)
    assert store.announce(mark="three") == [DONE, 1, f"three-{store.now}"]


def test_who_leaves_is_forgotten(redis: Redis):
    store = Store(redis)
    store.announce()
    redis.eval(with_time(LEAVE, MANUAL).decode(), 2, "{wb}:w:one", "{wb}:workers", "one")
    assert not redis.exists("{wb}:w:one", "{wb}:workers")
