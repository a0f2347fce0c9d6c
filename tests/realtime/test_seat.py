"""A session holds a place at its deployment while it lasts, among those of ordinary calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import orjson

from gateway.clients.websocket import Answered
from gateway.core.errors import ConnectFailed
from gateway.core.exchange import Deployment, Incoming, QueueRule, Request, RoutePolicy
from gateway.roads import Roads
from gateway.routing.health import Healths
from gateway.routing.table import RouteEntry, Router
from tests.support.realtime_lines import HandLine, handshake
from tests.support.rooms import PROVIDER, USAGE, Rooms, answer, chat, run, whole
from tests.support.sinks import ListReply
from tests.test_course import with_courses
from tests.test_travel import OTHER, Soon

ONE = msgspec.structs.replace(PROVIDER, max_concurrency=1)
TWO = msgspec.structs.replace(OTHER, max_concurrency=1)


class Phone(ListReply):
    """A connection that can switch."""

    def __init__(self) -> None:
        super().__init__()
        self.client = HandLine(masked=True)

    def switch(self, headers: bytes) -> HandLine:
        self.started, self.status, self.headers = True, 101, headers
        return self.client


class Providers:
    """Answers handshakes by hand, and everything else as the rooms' own dispatcher does."""

    def __init__(self, usual: Any) -> None:
        self._usual = usual
        self.lines: list[tuple[str, Any]] = []
        self.down = False

    async def open(
        self, deployment: Deployment, request: Request, incoming: Incoming, consumed: frozenset[bytes]
    ) -> Answered:
        if self.down:
            raise ConnectFailed("down")
        line: Any = HandLine(masked=False)
        self.lines.append((deployment.provider, line))
        return Answered(101, {}, b"", line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._usual, name)


class Line:
    """Rooms with an alias of several deployments, sessions that are open there, and what is known of them."""

    def __init__(self, *to: Deployment, **policy: Any) -> None:
        self.rooms = rooms = Rooms(whole(answer(usage=USAGE)))
        self.healths = Healths(lambda: rooms.clock.monotonic_ns() / 1e9)
        table = tuple(RouteEntry(alias="m", deployment=each) for each in to)
        later = asyncio.get_running_loop().call_later
        with_courses(
            rooms,
            router=Router(table, {}, {"m": RoutePolicy(strategy="least_busy", **policy)}),
            roads=Roads(self.healths, None, Soon(), later),
        )
        self.providers = Providers(rooms.pipeline.dispatcher)
        rooms.pipeline = msgspec.structs.replace(rooms.pipeline, dispatcher=self.providers)

    async def dial(self) -> tuple[Phone, asyncio.Task[None]]:
        phone = Phone()
        call = asyncio.get_running_loop().create_task(self.rooms.pipeline.handle(handshake(), phone))
        await settle()
        return phone, call

    @property
    def in_flight(self) -> dict[str, int]:
        return {name: health.in_flight for (name, _), health in self.healths.names().items()}


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def hung_up(phone: Phone, line: HandLine, call: asyncio.Task[None]) -> None:
    phone.client.hang_up()
    line.hang_up()
    await asyncio.wait_for(call, 20)


def test_a_session_holds_its_place_until_it_ends():
    async def test() -> None:
        line = Line(ONE, TWO, queue=QueueRule(length=0))
        first, call = await line.dial()
        second, other = await line.dial()
        assert (first.status, second.status, line.in_flight) == (101, 101, {"p": 1, "q": 1})
        assert sorted(name for name, _ in line.providers.lines) == ["p", "q"]
        # All are full: neither a call nor a session gets in.
        assert (await line.rooms.serve(chat())).status == 503
        third, refused = await line.dial()
        await asyncio.wait_for(refused, 20)
        assert (third.status, orjson.loads(third.body)["error"]["code"]) == (503, "upstream_overloaded")
        await hung_up(first, line.providers.lines[0][1], call)
        assert sorted(line.in_flight.values()) == [0, 1]
        assert (await line.rooms.serve(chat())).status == 200
        await hung_up(second, line.providers.lines[1][1], other)
        assert (line.in_flight, len(line.providers.lines)) == ({"p": 0, "q": 0}, 2)

    run(test)


def test_a_session_waits_in_line_and_goes_where_there_is_room():
    async def test() -> None:
        line = Line(ONE, TWO, queue=QueueRule(wait_s=30.0))
        first, call = await line.dial()
        second, other = await line.dial()
        third, waiting = await line.dial()
        gone, left = await line.dial()
        assert (third.status, len(line.providers.lines)) == (0, 2)
        # One that goes away while it waits leaves the line.
        left.cancel()
        await asyncio.wait([left])
        freed, opened = line.providers.lines[1]
        await hung_up(second, opened, other)
        await settle()
        assert (third.status, line.providers.lines[2][0], gone.status) == (101, freed, 499)
        await hung_up(first, line.providers.lines[0][1], call)
        await hung_up(third, line.providers.lines[2][1], waiting)
        assert line.in_flight == {"p": 0, "q": 0}
        assert [each.provider for each in line.rooms.records if each.status == 101] == [freed, "p", freed]

    run(test)


def in_trouble(ends: Callable[[Line], Awaitable[None]]) -> dict[str, int]:
    found: dict[str, int] = {}

    async def test() -> None:
        line = Line(ONE, TWO)
        await ends(line)
        found.update(line.in_flight)

    run(test)
    return found


def test_no_place_is_kept_by_a_session_that_does_not_come_to_be_or_is_cancelled():
    async def down(line: Line) -> None:
        line.providers.down = True
        phone, call = await line.dial()
        await asyncio.wait_for(call, 20)
        assert phone.status == 502

    async def cancelled(line: Line) -> None:
        _, call = await line.dial()
        assert sum(line.in_flight.values()) == 1
        call.cancel()
        await asyncio.wait([call])

    async def cannot(line: Line) -> None:
        assert (await line.rooms.serve(handshake())).status == 501

    for ends in (down, cancelled, cannot):
        assert set(in_trouble(ends).values()) == {0}
