"""Calls that find every deployment full: they wait in turn, leave, are late, or are turned away; no slot is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from gateway.core.errors import StreamBroken
from gateway.core.exchange import Deployment, Headers, Principal, QueueRule, RoutePolicy
from gateway.core.ports import AnswerSink
from gateway.core.verdict import Globs
from gateway.listener.drive import Drive
from gateway.roads import Roads
from gateway.routing.health import Healths
from gateway.routing.table import RouteEntry, Router
from tests.support.rooms import PROVIDER, USAGE, Rooms, answer, chat, failing, rule, run, whole
from tests.support.sinks import ListReply
from tests.test_course import with_courses
from tests.test_travel import DOWN, OTHER, Soon, busy

ONE = msgspec.structs.replace(PROVIDER, max_concurrency=1)
TWO = msgspec.structs.replace(OTHER, max_concurrency=1)
GOOD = whole(answer(usage=USAGE))


class ByHeader:
    """Everybody is who they say they are."""

    def identify(self, headers: Headers, peer: str = "") -> Principal:
        return Principal(key_id=headers.get(b"x-key", b"").decode(), team="t")


class Busy(Rooms):
    """Deployments that take one call at a time, and answer when the test says so."""

    def __init__(
        self, *to: Deployment, queue: QueueRule | None = None, retries: int = 0, rules: tuple[Any, ...] = ()
    ) -> None:
        super().__init__(None, *rules)
        self.healths = Healths(lambda: self.clock.monotonic_ns() / 1e9)
        policy = RoutePolicy(retries=retries, queue=queue or QueueRule())
        router = Router(tuple(RouteEntry(alias="m", deployment=each) for each in to or (ONE,)), {}, {"m": policy})
        roads = Roads(self.healths, None, Soon(), self.loop.call_later)
        with_courses(self, router=router, roads=roads, identity=ByHeader())
        self.going: list[tuple[Drive, ListReply]] = []

    def ask(self, key: str = "a", text: str = "hello") -> ListReply:
        asked, reply = chat(text), ListReply(self.log)
        asked.headers[b"x-key"] = key.encode()
        self.going.append((self.begin(asked, reply), reply))
        return reply

    async def sent(self, number: int) -> None:
        """Wait until so many requests have reached a provider."""
        async with asyncio.timeout(60):
            while len(self.wires) < number:
                await asyncio.sleep(0)

    async def waiting(self, number: int) -> None:
        """Wait until so many calls wait."""
        async with asyncio.timeout(60):
            while self.healths.queue("m").waiting != number:
                await asyncio.sleep(0)

    async def end(self, place: int, script: Callable[[AnswerSink], None] = GOOD) -> None:
        """A provider answers a request."""
        self.loop.call_soon(script, self.wires[place].sink)
        await asyncio.sleep(0)

    async def leave(self, reply: ListReply) -> None:
        """A client goes away."""
        reply.gone = True
        next(drive for drive, its in self.going if its is reply).cancel()

    async def over(self) -> None:
        """All calls are over, and none of them has left anything."""
        for drive, _ in self.going:
            await asyncio.wait_for(drive.wait(), 60)
        await self.ended()
        assert self.bugs == []
        assert len(self.records) == len(self.going)
        assert all(health.in_flight == 0 and not health.waiting for health in self.healths.names().values())
        assert self.healths.queue("m").waiting == 0

    def texts(self) -> list[str]:
        """What was asked of providers, in order."""
        return [orjson.loads(wire.sent.partition(b"\r\n\r\n")[2])["messages"][0]["content"] for wire in self.wires]


def test_calls_wait_in_turn_by_caller_and_never_more_are_under_way_than_allowed():
    async def test() -> None:
        rooms = Busy()
        replies = [rooms.ask(text[0], text) for text in ("a0", "a1", "a2", "b1", "b2")]
        await rooms.sent(1)
        await rooms.waiting(4)
        for number in range(5):
            await rooms.sent(number + 1)
            assert len(rooms.wires) == number + 1
            await rooms.end(number)
        await rooms.over()
        assert rooms.texts() == ["a0", "a1", "b1", "a2", "b2"]
        assert [reply.status for reply in replies] == [200] * 5
        assert [len(record.attempts) for record in rooms.records] == [1] * 5
        assert rooms.healths.queue("m").served == 4

    run(test)


def test_a_wait_is_not_the_gateways_own_time():
    async def test() -> None:
        rooms = Busy()
        rooms.ask(text="first")
        rooms.ask(text="second")
        await rooms.waiting(1)
        rooms.clock.advance(3.0)
        await rooms.end(0)
        await rooms.sent(2)
        await rooms.end(1)
        await rooms.over()
        waited = rooms.records[-1]
        assert waited.duration_ms >= 3000
        assert waited.overhead_ms < 3000
        assert rooms.healths.queue("m").waited_s == 3.0

    run(test)


def test_a_client_that_goes_away_leaves_the_line():
    async def test() -> None:
        rooms = Busy()
        rooms.ask(text="first")
        gone = rooms.ask(text="gone")
        last = rooms.ask(text="last")
        await rooms.waiting(2)
        await rooms.leave(gone)
        await rooms.waiting(1)
        await rooms.end(0)
        await rooms.sent(2)
        await rooms.end(1)
        await rooms.over()
        assert rooms.texts() == ["first", "last"]
        assert (last.status, rooms.healths.queue("m").left) == (200, 1)
        assert sorted(record.error_code for record in rooms.records) == ["", "", "client_closed"]
        # It never came to a try.
        assert next(each for each in rooms.records if each.error_code).attempts == []

    run(test)


def test_a_slot_given_to_a_client_that_goes_away_in_that_moment_goes_to_the_next():
    async def test() -> None:
        rooms = Busy()
        rooms.ask(text="first")
        gone = rooms.ask(text="gone")
        rooms.ask(text="last")
        await rooms.waiting(2)
        # Both in one turn of the loop: the slot is given, and whom it is given to is not there any more.
        rooms.wires[0].sink.on_head(200, {b"content-type": b"application/json"})
        rooms.wires[0].sink.on_data(answer(usage=USAGE))
        rooms.wires[0].sink.on_end()
        while rooms.healths.queue("m").served == 0:
            await asyncio.sleep(0)
        await rooms.leave(gone)
        await rooms.sent(2)
        await rooms.end(1)
        await rooms.over()
        assert rooms.texts() in (["first", "last"], ["first", "gone", "last"])

    run(test)


def test_who_waits_too_long_is_told_when_to_come_back():
    async def test() -> None:
        rooms = Busy(queue=QueueRule(wait_s=0.01))
        rooms.ask(text="first")
        late = rooms.ask(text="late")
        await asyncio.wait_for(rooms.going[1][0].wait(), 60)
        assert (late.status, orjson.loads(late.body)["error"]["code"]) == (503, "upstream_overloaded")
        assert late.header("retry-after") == "1"
        assert late.header("x-weighbridge-attempts") == "0"
        await rooms.end(0)
        await rooms.over()
        assert rooms.healths.queue("m").late == 1
        assert rooms.records[0].attempts == []

    run(test)


def test_when_the_line_is_full_a_call_is_turned_away_before_any_rule_looks_at_it():
    async def test() -> None:
        rooms = Busy(queue=QueueRule(length=1, wait_s=60.0), rules=(rule("osprey", "block", "request"),))
        rooms.ask(text="first")
        rooms.ask(text="second")
        await rooms.waiting(1)
        shed = rooms.ask(text="an osprey")
        await asyncio.wait_for(rooms.going[2][0].wait(), 60)
        assert (shed.status, shed.header("retry-after")) == (503, "60")
        assert rooms.records[0].guard_events == []
        # Another caller has none in line yet, but nobody has more than one: there is no room for it either.
        other = rooms.ask("b", "other")
        await asyncio.wait_for(rooms.going[3][0].wait(), 60)
        assert other.status == 503
        for number in range(2):
            await rooms.sent(number + 1)
            await rooms.end(number)
        await rooms.over()
        assert rooms.healths.queue("m").turned_away == 2

    run(test)


def test_without_a_queue_a_call_is_turned_away_at_once():
    async def test() -> None:
        rooms = Busy(queue=QueueRule(length=0))
        rooms.ask(text="first")
        await rooms.sent(1)
        shed = rooms.ask(text="second")
        await asyncio.wait_for(rooms.going[1][0].wait(), 60)
        assert (shed.status, shed.header("retry-after")) == (503, "1")
        await rooms.end(0)
        await rooms.over()

    run(test)


def test_a_call_goes_where_there_is_room_first_under_the_rules_that_hold_there():
    async def test() -> None:
        there = rule("osprey", "block", "request")
        there = msgspec.structs.replace(
            there, match=msgspec.structs.replace(there.match, provider=Globs(include=("q",)))
        )
        rooms = Busy(ONE, TWO, rules=(there,))
        rooms.ask(text="first")
        rooms.ask(text="second")
        await rooms.sent(2)
        hosts = [wire.sent.split(b"host: ")[1].split(b"\r\n")[0] for wire in rooms.wires]
        waits = [rooms.ask(text="an osprey"), rooms.ask(text="a falcon")]
        await rooms.waiting(2)
        at_q = hosts.index(b"q.example")
        await rooms.end(at_q)
        # Turned back there, it gives the slot to the next.
        await rooms.sent(3)
        await rooms.end(2)
        await rooms.end(1 - at_q)
        await rooms.over()
        assert rooms.texts()[2:] == ["a falcon"]
        assert [reply.status for reply in waits] == [400, 200]
        blocked = next(record for record in rooms.records if record.error_code == "policy_blocked")
        assert (blocked.provider, blocked.attempts) == ("q", [])

    run(test)


def test_a_further_try_waits_too_and_its_call_is_on_record_once():
    async def test() -> None:
        rooms = Busy(ONE, TWO, queue=QueueRule(wait_s=0.01), retries=1)
        first, second = rooms.ask(text="first"), rooms.ask(text="second")
        await rooms.sent(2)
        await rooms.end(0, DOWN)
        # The other one is full, and stays so.
        await asyncio.wait_for(rooms.going[0][0].wait(), 60)
        assert (first.status, first.header("x-weighbridge-attempts")) == (503, "1")
        await rooms.end(1)
        await rooms.over()
        assert second.status == 200
        tried = next(record for record in rooms.records if record.status == 503)
        assert [(each.kind, each.error_code) for each in tried.attempts] == [("first", "upstream_error")]

    run(test)


def test_a_further_try_gets_the_slot_that_is_given_back():
    async def test() -> None:
        rooms = Busy(ONE, TWO, retries=1)
        first = rooms.ask(text="first")
        rooms.ask(text="second")
        await rooms.sent(2)
        await rooms.end(0, DOWN)
        await rooms.waiting(1)
        await rooms.end(1)
        await rooms.sent(3)
        await rooms.end(2)
        await rooms.over()
        assert (first.status, first.header("x-weighbridge-attempts")) == (200, "2")
        tried = next(record for record in rooms.records if len(record.attempts) == 2)
        assert [each.kind for each in tried.attempts] == ["first", "fallback"]

    run(test)


def test_a_call_whose_request_is_at_fault_gives_its_slot_back():
    async def test() -> None:
        rooms = Busy()
        for _ in range(2):
            rooms.ask()
        await rooms.sent(1)
        await rooms.end(0, busy(400))
        await rooms.sent(2)
        await rooms.end(1, failing(StreamBroken("gone")))
        await rooms.over()

    run(test)
