"""Two deployments of one alias, by hand: a test says what each of them answers, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from gateway.core.exchange import Deployment, HedgeRule, Incoming, RoutePolicy
from gateway.core.ports import AnswerSink
from gateway.core.verdict import RuleSpec
from gateway.listener.drive import Drive
from gateway.roads import Roads
from gateway.routing.health import Health, Healths
from gateway.routing.table import RouteEntry, Router
from tests.support.rooms import DONE, EVENTS, PROVIDER, USAGE, Rooms, answer, chat, event, whole
from tests.support.sinks import ListReply
from tests.test_course import with_courses

OTHER = msgspec.structs.replace(PROVIDER, provider="q", base_url="http://q.example/v1")
GOOD = whole(answer(usage=USAGE))
BUSY = whole(b'{"error":{"message":"busy"}}', 503)
WORDS = (event("all of it"), event(), event(usage=USAGE), DONE)
# Soon enough for a test, and long after the first has been asked.
SOON = HedgeRule(after_s=0.002, max_extra_cost=1.0)
RICH = {"prompt_tokens": 100_000, "completion_tokens": 100_000, "total_tokens": 200_000}


class Duel(Rooms):
    """Rooms for an alias with two deployments, the first of which is asked first.

    Args:
        policy: Of the alias.
        to: Its deployments.
        fallback: Steps in when none of them can.
        more: As for :class:`Rooms`.
    """

    def __init__(
        self,
        policy: RoutePolicy | None = None,
        *rules: Any,
        to: tuple[Deployment, ...] = (PROVIDER, OTHER),
        fallback: Deployment | None = None,
        **more: Any,
    ) -> None:
        super().__init__(None, *rules, **more)
        self._candidates = len(to)
        table = [RouteEntry(alias="m", deployment=each) for each in to]
        if fallback is not None:
            table.append(RouteEntry(alias="m", deployment=fallback, fallback=True))
        router = Router(tuple(table), {}, {"m": policy or RoutePolicy(hedge=SOON)})
        self.healths = Healths(lambda: self.clock.monotonic_ns() / 1e9)
        with_courses(self, router=router, roads=Roads(self.healths, later=self.loop.call_later))

    @property
    def tries(self) -> list[tuple[int, str, str, int, str]]:
        return [(e.number, e.kind, e.provider, e.status, e.error_code) for e in self.record.attempts]

    @property
    def hosts(self) -> list[str]:
        return [wire.sent.split(b"host: ")[1].split(b".example")[0].decode() for wire in self.wires]

    @property
    def first(self) -> AnswerSink:
        return self.wires[0].sink

    @property
    def second(self) -> AnswerSink:
        return self.wires[1].sink

    def health(self, provider: str) -> Health:
        return next(health for (name, _), health in self.healths.names().items() if name == provider)

    def seats(self) -> int:
        """Calls that deployments are thought to be at work on."""
        return sum(each.in_flight or 0 for each in self.healths.told())

    async def earn(self, asked: Incoming) -> None:
        """Serve a call that pays for many hedges, and forget that there was one; the next goes to the first again."""
        for _ in range(self._candidates):
            drive = self.begin(asked, ListReply(self.log))
            await settled(lambda: bool(self.wires))
            whole(answer(usage=RICH))(self.wires[0].sink)
            await drive.wait()
            self.wires.clear()
        self.records.clear()
        self.log.clear()

    async def both(self, asked: Incoming, reply: ListReply) -> Drive:
        """Begin a call and wait until both are asked."""
        drive = self.begin(asked, reply)
        await settled(lambda: len(self.wires) == 2)
        return drive


async def settled(done: Callable[[], bool]) -> None:
    """Let the loop turn until something is so."""
    async with asyncio.timeout(20):
        while not done():
            await asyncio.sleep(0)


async def duel(asked: Incoming, *rules: RuleSpec, **more: Any) -> tuple[Duel, ListReply, Drive]:
    """Both are asked, and neither has said anything."""
    rooms = Duel(more.pop("policy", None), *rules, **more)
    await rooms.earn(chat("hello", max_tokens=10))
    reply = ListReply(rooms.log)
    drive = await rooms.both(asked, reply)
    assert rooms.hosts == ["p", "q"]
    assert rooms.seats() == 2
    return rooms, reply, drive


async def over(rooms: Duel, drive: Drive) -> None:
    await asyncio.wait_for(drive.wait(), 10)
    await rooms.ended()
    assert rooms.bugs == []
    assert rooms.seats() == 0
    assert rooms.log.count("filed") == 1


async def alone(rooms: Duel, asked: Incoming, *pieces: bytes) -> ListReply:
    """Only the first is asked, however long it takes."""
    reply = ListReply(rooms.log)
    drive = rooms.begin(asked, reply)
    await settled(lambda: bool(rooms.wires))
    sink = rooms.first
    if pieces:
        sink.on_head(200, dict(EVENTS))
        sink.on_data(pieces[0])
    # Longer than it would take.
    until = rooms.loop.time() + 0.02
    await settled(lambda: rooms.loop.time() > until)
    assert len(rooms.wires) == 1
    for piece in pieces[1:]:
        sink.on_data(piece)
    if not pieces:
        GOOD(sink)
    await over(rooms, drive)
    return reply
