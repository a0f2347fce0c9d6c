"""Streams between workers: what one leads and another hears, and what becomes of both when either goes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from gateway.cache.flights import Flight, Follower
from gateway.cache.relaying import MOST, Relaying
from gateway.cache.relays import End, Head, alive_part, end_part, head_part, piece_part
from gateway.cache.renewal import Renewing
from gateway.clients.sealing import Seal
from gateway.core.errors import StreamBroken
from tests.support.clock import ManualClock
from tests.support.sinks import KeepingSink

pytestmark = pytest.mark.timeout(30)

KEY = b"k" * 32
OTHER, TOKEN = b"87654321", b"12345678"
HEAD = head_part(TOKEN, Head("openai_chat", b"text/event-stream", "x-1"))


class Board:
    """Where they meet: a :class:`gateway.cache.relays.Relays` in memory."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.until_ns: dict[bytes, int] = {}
        self.parts: dict[bytes, list[bytes]] = {}
        self.asked = self.told = self.read = 0
        self.answer: bool | None = True

    async def want(self, key: bytes, for_s: float) -> None:
        self.until_ns[key] = self._clock.monotonic_ns() + round(for_s * 1e9)

    async def wanted(self) -> set[bytes]:
        self.asked += 1
        return {key for key, until_ns in self.until_ns.items() if until_ns > self._clock.monotonic_ns()}

    async def say(self, key: bytes, parts: list[bytes], for_s: float, *, anew: bool) -> bool | None:
        self.told += 1
        if self.answer is not None:
            self.parts[key] = [*(() if anew else self.parts[key]), *parts]
        return self.answer

    async def lies(self, key: bytes) -> tuple[bytes, int]:
        parts = self.parts.get(key, [])
        return parts[0] if parts else b"", len(parts)

    async def said(self, key: bytes, after: int) -> list[bytes]:
        self.read += 1
        return self.parts.get(key, [])[after:]


class Workers:
    """Two of them, and what they share."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.board = Board(self.clock)
        self.first, self.second = Relaying(self.board, self.clock), Relaying(self.board, self.clock)
        self.held = 0

    @contextmanager
    def waiting(self, key: bytes) -> Generator[None]:
        assert key == KEY
        self.held += 1
        try:
            yield
        finally:
            self.held -= 1

    async def turn(self, seconds: float = 0.1) -> None:
        """Let time pass, in small steps."""
        for _ in range(round(seconds / 0.025)):
            for _ in range(6):
                await asyncio.sleep(0)
            self.clock.advance(0.025)
        for _ in range(6):
            await asyncio.sleep(0)

    def lead(self) -> Flight:
        flight = Flight("openai_chat", b"text/event-stream")
        flight.origin = "x-1"
        self.first.flights.begin(KEY, flight)
        return flight


def run(test: Callable[[Workers], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        workers = Workers()
        await test(workers)
        await workers.first.close()
        await workers.second.close()
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert left == []

    asyncio.run(main())


def following(flight: Flight) -> KeepingSink:
    sink = KeepingSink()
    Follower(flight, sink, Renewing("none", "id")).go_on()
    return sink


def test_a_stream_is_heard_as_it_comes_and_to_its_end():
    async def test(workers: Workers) -> None:
        with workers.first.leading(KEY, workers.waiting, sealed=False), workers.second.joining(KEY) as joined:
            flight = workers.lead()
            pieces = flight.opened()
            pieces.append(b"a")
            pieces.append(b"b")
            await workers.turn()
            heard = joined.begun.result()
            assert workers.second.flights.find(KEY) is heard
            assert (heard.dialect, heard.media_type, heard.origin) == ("openai_chat", b"text/event-stream", "x-1")
            sink = following(heard)
            assert (sink.status, sink.body, sink.ended) == (200, b"ab", 0)
            pieces.append(b"c")
            await workers.turn()
            assert (sink.body, sink.ended, workers.held) == (b"abc", 0, 1)
            flight.cost_nanousd, flight.took_ms = 7, 12.5
            workers.first.flights.end(KEY, flight, whole=True)
        await workers.turn()
        assert workers.held == 0

    run(test)


@pytest.mark.parametrize(("whole", "error"), [(True, None), (False, StreamBroken)])
def test_its_end_comes_with_what_it_cost_and_one_that_breaks_off_does_so_for_all(
    *, whole: bool, error: type[StreamBroken] | None
):
    async def test(workers: Workers) -> None:
        with workers.second.joining(KEY) as joined:
            with workers.first.leading(KEY, workers.waiting, sealed=False):
                flight = workers.lead()
                flight.opened().append(b"a")
                await workers.turn()
                sink = following(heard := joined.begun.result())
                flight.cost_nanousd, flight.took_ms = 7, 12.5
                workers.first.flights.end(KEY, flight, whole=whole)
            await workers.turn()
            assert (sink.body, sink.ended, type(sink.error)) == (b"a", int(whole), error or type(None))
            assert (heard.cost_nanousd, heard.took_ms, heard.whole) == (7, 12.5, whole)
            assert workers.second.flights.find(KEY) is None

    run(test)


def test_nothing_is_said_that_nobody_wants_and_nobody_looks_where_nothing_is_led():
    async def test(workers: Workers) -> None:
        with workers.first.leading(KEY, workers.waiting, sealed=False):
            workers.lead().opened().append(b"a")
            await workers.turn()
            assert (workers.board.told, workers.held) == (0, 0)
            assert workers.board.asked
        await workers.turn()
        asked = workers.board.asked
        await workers.turn(1.0)
        assert (workers.board.asked, workers.clock.sleepers) == (asked, 0)

    run(test)


def test_a_call_is_held_as_long_as_somebody_wants_it_and_a_little_longer():
    async def test(workers: Workers) -> None:
        with workers.first.leading(KEY, workers.waiting, sealed=False):
            with workers.second.joining(KEY):
                await workers.turn(5.0)
                assert workers.held == 1
            await workers.turn(6.0)
            assert workers.held == 0
            with workers.second.joining(KEY):
                await workers.turn()
                assert workers.held == 1
        assert workers.held == 0

    run(test)


def test_a_stream_that_pauses_is_alive_and_one_whose_worker_has_died_is_not():
    async def test(workers: Workers) -> None:
        with workers.second.joining(KEY) as joined:
            with workers.first.leading(KEY, workers.waiting, sealed=False):
                workers.lead().opened().append(b"a")
                await workers.turn()
                sink = following(joined.begun.result())
                await workers.turn(30.0)
                assert (sink.error, alive_part(TOKEN)[8:]) == (None, workers.board.parts[KEY][-1][8:])
                await workers.first.close()
                await workers.turn(11.0)
            assert (sink.body, type(sink.error)) == (b"a", StreamBroken)

    run(test)


def test_whoever_joins_hears_the_same_and_only_the_last_to_leave_ends_it():
    async def test(workers: Workers) -> None:
        with workers.first.leading(KEY, workers.waiting, sealed=False):
            pieces = workers.lead().opened()
            pieces.append(b"a")
            with workers.second.joining(KEY) as late:
                with workers.second.joining(KEY) as joined:
                    await workers.turn()
                    assert late is joined
                    sink = following(joined.begun.result())
                pieces.append(b"b")
                await workers.turn()
                assert (sink.body, sink.error) == (b"ab", None)
            await workers.turn()
            assert type(sink.error) is StreamBroken
            assert workers.second.flights.find(KEY) is None

    run(test)


@pytest.mark.parametrize(
    "left",
    [
        [HEAD, piece_part(TOKEN, b"old"), end_part(TOKEN, End(whole=False, cost_nanousd=None, took_ms=1))],
        [HEAD, piece_part(TOKEN, b"old"), end_part(TOKEN, End(whole=True, cost_nanousd=1, took_ms=1))],
        [HEAD, piece_part(TOKEN, b"of one who died")],
        [piece_part(TOKEN, b"old")],
        [b"rubbish"],
    ],
)
def test_what_is_left_of_another_stream_is_not_heard(left: list[bytes]):
    async def test(workers: Workers) -> None:
        workers.board.parts[KEY] = left
        with workers.first.leading(KEY, workers.waiting, sealed=False), workers.second.joining(KEY) as joined:
            await workers.turn()
            assert not joined.begun.done()
            # Not even looked at, however large it is.
            assert workers.board.read == 0
            workers.lead().opened().append(b"new")
            await workers.turn()
            assert following(joined.begun.result()).body == b"new"

    run(test)


@pytest.mark.parametrize(
    "more",
    [b"rubbish", piece_part(OTHER, b"another's"), HEAD, head_part(OTHER, Head("gemini", b"", ""))],
)
def test_what_does_not_belong_to_a_stream_breaks_it_off(more: bytes):
    async def test(workers: Workers) -> None:
        workers.board.parts[KEY] = [HEAD]
        with workers.second.joining(KEY) as joined:
            await workers.turn()
            assert not joined.begun.done()
            workers.board.parts[KEY].append(piece_part(TOKEN, b"a"))
            await workers.turn()
            sink = following(joined.begun.result())
            workers.board.parts[KEY].append(more)
            await workers.turn()
            assert (sink.body, type(sink.error)) == (b"a", StreamBroken)

    run(test)


def test_after_a_part_that_may_be_lost_nothing_more_is_said():
    async def test(workers: Workers) -> None:
        with workers.first.leading(KEY, workers.waiting, sealed=False), workers.second.joining(KEY) as joined:
            pieces = workers.lead().opened()
            pieces.append(b"a")
            await workers.turn()
            sink = following(joined.begun.result())
            workers.board.answer = False
            pieces.append(b"b")
            await workers.turn()
            workers.board.answer, told = True, workers.board.told
            pieces.append(b"c")
            await workers.turn(11.0)
            assert (workers.board.told, sink.body, type(sink.error)) == (told, b"ab", StreamBroken)

    run(test)


def test_what_could_not_be_said_is_said_later():
    async def test(workers: Workers) -> None:
        workers.board.answer = None
        with workers.second.joining(KEY) as joined:
            with workers.first.leading(KEY, workers.waiting, sealed=False):
                flight = workers.lead()
                pieces = flight.opened()
                pieces.append(b"a")
                await workers.turn()
                workers.board.answer = True
                await workers.turn()
                sink = following(joined.begun.result())
                workers.board.answer = None
                pieces.append(b"b")
                await workers.turn()
                pieces.append(b"c")
                assert sink.body == b"a"
                workers.board.answer = True
                await workers.turn()
                assert sink.body == b"abc"
                workers.board.answer = None
                workers.first.flights.end(KEY, flight, whole=True)
            await workers.turn(3.0)
            assert sink.ended == 0
            workers.board.answer = True
            await workers.turn()
            assert sink.ended == 1

    run(test)


def test_who_leads_a_stream_does_not_listen_for_it():
    async def test(workers: Workers) -> None:
        with workers.first.leading(KEY, workers.waiting, sealed=False), workers.first.joining(KEY) as joined:
            assert joined.hearing is None

    run(test)


def test_more_than_may_be_are_not_heard():
    async def test(workers: Workers) -> None:
        with ExitStack() as stack:
            heard = [stack.enter_context(workers.second.joining(number.to_bytes(32))) for number in range(MOST + 2)]
            assert [each.hearing is not None for each in heard] == [True] * MOST + [False] * 2

    run(test)


@pytest.mark.parametrize("alone", [True, False])
def test_an_answer_may_come_sooner_than_a_stream_and_neither_may(alone: bool):
    async def soon(answer: str | None) -> str | None:
        await asyncio.sleep(0)
        return answer

    async def never() -> str | None:
        await asyncio.Event().wait()
        return None

    async def test(workers: Workers) -> None:
        relaying = Relaying(None, workers.clock) if alone else workers.second
        for answer in ("it", None):
            with relaying.joining(KEY) as joined:
                assert await joined.first(soon(answer)) == (answer, None)
        if not alone:
            with relaying.joining(KEY) as joined:
                first = asyncio.ensure_future(joined.first(never()))
                await workers.turn()
                workers.board.parts[KEY] = [HEAD]
                await workers.turn()
                assert await first == (None, joined.begun.result())

    run(test)


def test_what_rules_may_change_is_read_by_workers_of_the_same_gateway_alone():
    async def test(workers: Workers) -> None:
        strangers = Board(workers.clock)
        strangers.parts = workers.board.parts
        stranger = Relaying(strangers, workers.clock, Seal(b"s" * 32))
        with (
            workers.second.joining(KEY) as joined,
            stranger.joining(KEY) as strange,
            workers.first.leading(KEY, workers.waiting, sealed=True),
        ):
            pieces = workers.lead().opened()
            pieces.append(b"the secret")
            await workers.turn()
            sink = following(joined.begun.result())
            pieces.append(b", all of it")
            await workers.turn()
            assert sink.body == b"the secret, all of it"
            assert (strange.begun.done(), strangers.read) == (False, 0)
            assert b"secret" not in b"".join(workers.board.parts[KEY])
            # Somebody has changed a piece.
            workers.board.parts[KEY].append(piece_part(workers.board.parts[KEY][0][:8], b"x" * 40))
            await workers.turn()
            assert type(sink.error) is StreamBroken
        await stranger.close()

    run(test)


def test_without_a_place_to_meet_nothing_is_led():
    async def test(workers: Workers) -> None:
        alone = Relaying(None, workers.clock)
        with alone.leading(KEY, workers.waiting, sealed=False):
            await workers.turn()
        assert workers.clock.sleepers == 0
        await alone.close()

    run(test)
