"""Streams that are followed by workers other than the one that leads them: who leads says them, who follows hears them.

::

    leader's worker                      the store                      another worker
    a stream is led ─── is it wanted? ──► wanted ◄── it is wanted ────── somebody asks the same
    its pieces ──────── say ────────────► parts  ◄── what was said? ──── a flight of its own, that its calls follow

Nothing is said of a stream that nobody wants, and nobody looks while no stream is led. Both sides look so often that a
reader hardly sees it. A leader whose worker dies falls silent, and who follows is told that the stream has broken off.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, TypeVar

from gateway.cache.flights import Flight, Flights
from gateway.cache.relays import TOKEN_BYTES, End, Head, Part, Relays, alive_part, end_part, head_part, piece_part
from gateway.cache.relays import read_part as read
from gateway.clients.clock import Clock
from gateway.clients.sealing import OURS, Seal

log = logging.getLogger("weighbridge.cache")
T = TypeVar("T")

# How often they look: for parts of a stream, and who leads one for whether it is wanted.
LOOK_S, WANTED_S = 0.025, 0.1
# Who wants a stream says so again and again; and who leads one, that it still does.
WANT_S, WANT_AGAIN_S, ALIVE_S, SILENT_S = 5.0, 1.0, 1.0, 10.0
# How long what was said is kept after the last of it, and after its end: the answer is in the store then, if anywhere.
KEPT_S, ENDED_S = 15.0, 5.0
# So many streams a worker passes on at once. Who wants another one waits for the whole answer.
MOST = 64
# Lets a call go on for those who wait for it.
Waiting = Callable[[bytes], AbstractContextManager[None]]


class _Led:
    """A stream that this worker leads, and what was said of it."""

    def __init__(self, key: bytes, flights: Flights, waiting: Waiting, seal: Seal | None) -> None:
        self._key = key
        self._seal = seal
        self._flights = flights
        self._waiting = waiting
        self._held = ExitStack()
        self._holds = False
        self._flight: Flight | None = None
        self._token = os.urandom(TOKEN_BYTES)
        self._at = 0
        self._said_ns = 0
        self.over_ns = 0
        # Until something was said of it: who comes later reads it from its beginning.
        self.unsaid = True

    @property
    def saying(self) -> bool:
        """Whether something was said and more is to come."""
        return self._flight is not None

    def hold(self, *, wanted: bool) -> None:
        """Keep the call going while somebody wants it."""
        if wanted and not self._holds:
            self._held.enter_context(self._waiting(self._key))
        elif self._holds and not wanted:
            self._held.close()
        self._holds = wanted

    def begin(self) -> bool:
        """Begin to say it, where it has begun."""
        flight = self._flights.find(self._key)
        if flight is None or flight.pieces is None:
            return False
        self._flight = flight
        return True

    def parts(self, now_ns: int) -> tuple[list[bytes], int]:
        """Give what is to be said next, and how many pieces have been then."""
        flight, parts = self._flight, list[bytes]()
        if flight is None or flight.pieces is None:
            return parts, 0
        if not self._said_ns:
            sealed_by = b"" if self._seal is None else self._seal.name
            parts.append(head_part(self._token, Head(flight.dialect, flight.media_type, flight.origin, sealed_by)))
        if self._at < len(flight.pieces):
            piece = b"".join(flight.pieces[self._at :])
            parts.append(piece_part(self._token, piece if self._seal is None else self._seal.seal(piece, self._token)))
        if flight.over:
            parts.append(end_part(self._token, End(flight.whole, flight.cost_nanousd, flight.took_ms)))
        elif not parts and now_ns - self._said_ns > ALIVE_S * 1e9:
            parts.append(alive_part(self._token))
        return parts, len(flight.pieces)

    async def say(self, relays: Relays, now_ns: int) -> None:
        """Say it. After a part that may be lost there are no more: nothing is to be missing in between."""
        over = self._flight is not None and self._flight.over
        parts, at = self.parts(now_ns)
        if not parts:
            return
        said = await relays.say(self._key, parts, ENDED_S if over else KEPT_S, anew=not self._said_ns)
        if said is None:
            return
        self._said_ns, self._at = now_ns, at
        if over or not said:
            self._flight = None


class Joined:
    """A stream that another worker may lead, for those of this worker who wait for it.

    Attributes:
        begun: Has its flight, once it has begun.
        count: How many want it.
        hearing: Who listens for it; ``None`` where nobody can.
    """

    def __init__(self) -> None:
        self.begun: asyncio.Future[Flight] = asyncio.get_running_loop().create_future()
        self.count = 0
        self.hearing: asyncio.Task[None] | None = None

    async def first(self, answer: Coroutine[Any, Any, T]) -> tuple[T | None, Flight | None]:
        """Wait for the stream or for an answer, whichever comes first; both are ``None`` where none comes."""
        if self.hearing is None:
            return await answer, None
        waiting = asyncio.get_running_loop().create_task(answer, name="cache-wait")
        try:
            await asyncio.wait((waiting, self.begun), return_when=asyncio.FIRST_COMPLETED)
            if waiting.done() and (found := waiting.result()) is not None:
                return found, None
            return None, self.begun.result() if self.begun.done() else None
        finally:
            waiting.cancel()


class _Hearing:
    """Puts together what is heard of a stream."""

    def __init__(self, key: bytes, flights: Flights, joined: Joined, seal: Seal) -> None:
        self._key = key
        self._seal = seal
        self._sealed = False
        self._flights = flights
        self._joined = joined
        self._flight: Flight | None = None
        self._pieces: list[bytes] = []
        self._token = b""
        # The token of what lay there at the last look, and how many parts.
        self._lies: tuple[bytes, int] | None = None
        self.at = 0
        self.over = False

    def begins(self, first: bytes, count: int) -> bool:
        """Whether a stream is under way whose first part and number of parts these are, and that is for us.

        What lies there at the first look may be what somebody has left who is done with it, or has died: it is
        believed when more comes behind it. Until then, and of what is not for us, nothing else is read.
        """
        part = read(first)
        lies, before = (first[:TOKEN_BYTES], count), self._lies
        self._lies = lies
        return self._fits(part) and before is not None and lies != before

    def hear(self, parts: list[bytes]) -> None:
        """Take the next parts."""
        known = [read(part) for part in parts]
        if not self.begun and not (known and self._fits(known[0]) and not _is_end(known[-1])):
            # It is over already: what came of it is in the store, if anywhere.
            return
        self.at += len(parts)
        for part in known:
            if part is None or not self._take(part):
                self.end(whole=False)
            if self.over:
                return

    def end(self, *, whole: bool) -> None:
        """Say to those who follow that no more will come."""
        self.over = True
        if self._flight is not None:
            self._flights.end(self._key, self._flight, whole=whole)

    @property
    def begun(self) -> bool:
        """Whether it is being followed."""
        return self._flight is not None

    def _fits(self, first: Part | None) -> bool:
        return first is not None and first.head is not None and first.head.sealed_by in {b"", self._seal.name}

    def _take(self, part: Part) -> bool:
        if self._flight is None:
            return part.head is not None and self._begin(part.token, part.head)
        if part.token != self._token or part.head is not None:
            return False
        if part.kind == "piece":
            piece = self._seal.open(part.piece, self._token) if self._sealed else part.piece
            if piece is None:
                return False
            self._pieces.append(piece)
        elif part.end is not None:
            self._flight.cost_nanousd, self._flight.took_ms = part.end.cost_nanousd, part.end.took_ms
            self.end(whole=part.end.whole)
        return True

    def _begin(self, token: bytes, head: Head) -> bool:
        flight = Flight(head.dialect, head.media_type)
        flight.origin = head.origin
        self._token, self._flight, self._sealed = token, flight, bool(head.sealed_by)
        self._flights.begin(self._key, flight)
        self._pieces = flight.opened()
        self._joined.begun.set_result(flight)
        return True


def _is_end(part: Part | None) -> bool:
    return part is not None and part.end is not None


class Relaying:
    """What a worker leads that others may want, and what it hears of them.

    Args:
        relays: Where they meet; ``None`` where this worker has nobody to meet.
        clock: Lets time pass.
        seal: Seals what is not for everybody who can read the store.

    Attributes:
        flights: The streams of this worker that can be followed; those that it hears are among them.
    """

    def __init__(self, relays: Relays | None, clock: Clock, seal: Seal = OURS) -> None:
        self.flights = Flights()
        self._seal = seal
        self._relays = relays
        self._clock = clock
        self._led: dict[bytes, _Led] = {}
        self._over: list[_Led] = []
        self._joined: dict[bytes, Joined] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._telling = False

    @contextmanager
    def leading(self, key: bytes, waiting: Waiting, *, sealed: bool) -> Generator[None]:
        """Lead a stream that others may want.

        Args:
            key: Of what it answers.
            waiting: Lets the call that leads go on for those who want it.
            sealed: It is for the workers of this gateway alone.
        """
        relays = self._relays
        if relays is None:
            yield
            return
        led = self._led[key] = _Led(key, self.flights, waiting, self._seal if sealed else None)
        if not self._telling:
            self._telling = True
            self._run(self._tell(relays))
        try:
            yield
        finally:
            led.hold(wanted=False)
            if self._led.get(key) is led:
                del self._led[key]
            if led.saying:
                # Its end is still to be said.
                led.over_ns = self._clock.monotonic_ns()
                self._over.append(led)

    @contextmanager
    def joining(self, key: bytes) -> Generator[Joined]:
        """Want a stream that somebody else leads, for as long as that takes."""
        joined = self._joined.get(key)
        if joined is None:
            joined = self._joined[key] = Joined()
            if self._relays is not None and key not in self._led and len(self._joined) <= MOST:
                joined.hearing = self._run(self._hear(self._relays, key, joined))
        joined.count += 1
        try:
            yield joined
        finally:
            joined.count -= 1
            if not joined.count:
                if self._joined.get(key) is joined:
                    del self._joined[key]
                if joined.hearing is not None:
                    joined.hearing.cancel()

    async def ended(self) -> None:
        """Wait until nothing is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Let go of what is under way."""
        for task in tuple(self._tasks):
            task.cancel()
        await self.ended()

    def _run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name="cache-relay")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _tell(self, relays: Relays) -> None:
        """Say what is wanted of what is led, until nothing is."""
        wanted, asked_ns = set[bytes](), 0
        try:
            while self._led or self._over:
                if self._led and (not asked_ns or self._clock.monotonic_ns() - asked_ns >= WANTED_S * 1e9):
                    wanted, asked_ns = await relays.wanted(), self._clock.monotonic_ns()
                await self._say_ends(relays)
                for key, led in tuple(self._led.items()):
                    if self._led.get(key) is led:
                        await self._tell_one(relays, led, wanted=key in wanted)
                saying = self._over or any(led.saying for led in self._led.values())
                await self._clock.sleep(LOOK_S if saying else WANTED_S)
        finally:
            self._telling = False

    async def _say_ends(self, relays: Relays) -> None:
        over, self._over = self._over, []
        for led in over:
            now_ns = self._clock.monotonic_ns()
            await led.say(relays, now_ns)
            if led.saying and now_ns - led.over_ns < SILENT_S * 1e9:
                self._over.append(led)

    async def _tell_one(self, relays: Relays, led: _Led, *, wanted: bool) -> None:
        led.hold(wanted=wanted)
        if led.unsaid and wanted and sum(each.saying for each in self._led.values()) < MOST:
            led.unsaid = not led.begin()
        if led.saying:
            await led.say(relays, self._clock.monotonic_ns())

    async def _hear(self, relays: Relays, key: bytes, joined: Joined) -> None:
        """Want a stream, and hear it to its end."""
        hearing = _Hearing(key, self.flights, joined, self._seal)
        heard_ns, again_ns = self._clock.monotonic_ns(), 0
        try:
            while not hearing.over:
                now_ns = self._clock.monotonic_ns()
                if now_ns >= again_ns:
                    await relays.want(key, WANT_S)
                    again_ns = now_ns + round(WANT_AGAIN_S * 1e9)
                if (hearing.begun or hearing.begins(*await relays.lies(key))) and (
                    parts := await relays.said(key, hearing.at)
                ):
                    hearing.hear(parts)
                    heard_ns = self._clock.monotonic_ns()
                elif joined.begun.done() and now_ns - heard_ns > SILENT_S * 1e9:
                    log.info("cache: who led a stream has fallen silent")
                    return
                if not hearing.over:
                    await self._clock.sleep(LOOK_S)
        finally:
            if not hearing.over:
                hearing.end(whole=False)
