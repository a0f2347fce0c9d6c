"""Holds a stream until the clauses in it are judged, or lets it run at most one clause ahead of its judges.

Models take milliseconds, so they are asked beside the stream. Here stands, between what reads a provider's events and
the client, who keeps the events back in order: each one knows how far its texts must have been judged before it may
leave. What a rule turns back, and everything behind it, never leaves.

- ``strict``: an event leaves when every clause that it has a part in is judged. What has left is at every instant the
  beginning of what the rules leave of the whole, for every way in which the stream is cut.
- ``balanced``: an event leaves at once unless a clause two before its own is still not judged. So when a rule ends the
  stream, the client has seen of what follows the clause at fault at most one clause more.

The end of a text leaves when all of it is judged, in both. A stream whose judges are slow is slowed down; they have a
time limit, and the policy says what holds when it is over.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator

import msgspec

from gateway.core.errors import Blocked, GatewayError
from gateway.core.ports import Channel, Flow, StreamMark, StreamReader
from gateway.guards.channel import StreamTally
from gateway.guards.clause_judge import ClauseJudge, Spoken
from gateway.guards.clause_plan import ClauseKind, ClausePlan
from gateway.guards.clauses import Clause, Cutter

# Events that wait are at most this large together before the provider is told to wait too.
MAX_WAITING_BYTES = 65_536
# Clauses that are judged in one go.
MAX_BATCH = 32
_NEW_EVENT = b"\n\n"


class _Text:
    """One channel: its clauses, and how many of them are judged."""

    __slots__ = ("channel", "chars", "cutter", "judged", "kind", "path", "whole")

    def __init__(self, channel: Channel, kind: ClauseKind) -> None:
        self.channel = channel
        self.kind = kind
        self.path = f"choices[{channel[0]}].{channel[1]}"
        self.cutter = Cutter()
        self.judged = self.chars = 0
        self.whole = False

    def needed(self, lag: int) -> int:
        """How many clauses must be judged before what was said last may leave."""
        if self.whole:
            return self.cutter.count
        return max(0, self.cutter.count + self.cutter.open - lag)


class _Held(msgspec.Struct):
    """Events that wait, what for, and what the reader knew before it read them."""

    data: bytes
    needs: list[tuple[_Text, int]]
    mark: StreamMark
    chars: int

    def ready(self) -> bool:
        return all(text.judged >= count for text, count in self.needs)


class ClauseGate:
    """The judgement of one stream by clause, and what waits for it. Belongs to the call; :meth:`drop` ends it.

    Args:
        plan: The rules.
        tally: Of the stream.

    Attributes:
        released: Characters that have left.
    """

    __slots__ = (
        "_chars", "_error", "_flow", "_held", "_judge", "_pending", "_plan", "_reader", "_said", "_size", "_task",
        "_texts", "_waits", "released",
    )  # fmt: skip

    def __init__(self, plan: ClausePlan, tally: StreamTally) -> None:
        self._plan = plan
        self._judge = ClauseJudge(plan, tally)
        self._texts: dict[Channel, _Text | None] = {}
        self._pending: deque[tuple[_Text, Clause]] = deque()
        self._held: deque[_Held] = deque()
        self._size = 0
        # What was heard since the last event left or was put to the others, and how many characters of it.
        self._said: dict[Channel, _Text] = {}
        self._chars = 0
        self._flow: Flow | None = None
        self._waits = False
        self._reader: StreamReader | None = None
        self._error: GatewayError | None = None
        self._task: asyncio.Task[None] | None = None
        self.released = 0

    # --- what the stream's screen has released

    def heard(self, channel: Channel, text: str) -> None:
        """Take text that is about to leave."""
        self._chars += len(text)
        known = self._text(channel)
        if known is not None and text:
            self._said[channel] = known
            self._pending.extend((known, clause) for clause in known.cutter.feed(text))

    def ended(self, channel: Channel) -> None:
        """A channel's text is whole."""
        known = self._texts.pop(channel, None)
        if known is not None:
            known.whole = True
            self._said[channel] = known
            self._pending.extend((known, clause) for clause in known.cutter.finish())

    def _text(self, channel: Channel) -> _Text | None:
        if channel not in self._texts:
            kind = self._plan.of(channel)
            self._texts[channel] = _Text(channel, kind) if kind is not None else None
        return self._texts[channel]

    # --- what its reader gives

    def open(self, flow: Flow) -> None:
        """Say where events go that had to wait."""
        self._flow = flow

    def take(self, reader: StreamReader, data: bytes) -> bytes:
        """Let a reader take the next bytes, and return what may leave now.

        Raises:
            GatewayError: As :meth:`gateway.core.ports.StreamReader.feed`; what is in its ``released`` may leave.
        """
        self._reader = reader
        out: list[bytes] = []
        for piece in _events(data):
            mark = reader.mark()
            try:
                given = reader.feed(piece)
            except GatewayError as error:
                error.released = b"".join((*out, self._pass(error.released, mark)))
                raise
            out.append(self._pass(given, mark))
        self._go_on()
        return b"".join(out)

    def hold_back(self) -> None:
        """The provider has said all: what waits leaves with the end, or not at all."""
        self._flow = None

    async def finish(self, reader: StreamReader) -> bytes:
        """Let a reader take the end, wait for the judges, and return all that is left.

        Raises:
            GatewayError: As :meth:`gateway.core.ports.StreamReader.finish`.
            Blocked: A rule ends the stream.
        """
        self._reader = reader
        self._flow = None
        mark = reader.mark()
        try:
            given = reader.finish()
        except GatewayError as error:
            error.released = self._pass(error.released, mark)
            raise
        for channel in list(self._texts):
            self.ended(channel)
        last = self._pass(given, mark)
        try:
            await self.settle()
        except Blocked as blocked:
            blocked.released = b"".join(self._ready())
            raise
        return b"".join((*self._ready(), last))

    async def settle(self) -> None:
        """Wait until everything that was heard is judged.

        Raises:
            Blocked: A rule ends the stream.
        """
        self._go_on()
        if self._task is not None:
            await self._task
        if self._error is not None:
            raise self._error

    def drop(self) -> None:
        """Let nothing more leave; the reader forgets what its client was not given."""
        if self._held and self._reader is not None:
            self._reader.rewind(self._held[0].mark)
        self._held.clear()
        self._pending.clear()
        self._flow = None
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    def passed(self, channel: Channel) -> int:
        """Characters of a channel that rules have let pass, for whoever has no events."""
        known = self._texts.get(channel) or self._said.get(channel)
        return known.chars if known is not None else 0

    def _pass(self, data: bytes, mark: StreamMark) -> bytes:
        lag = self._plan.lag
        if lag is None:
            self.released += self._chars
            self._chars = 0
            return data
        if not data:
            return data
        needs = [(text, text.needed(lag)) for text in self._said.values()]
        held = _Held(data, needs, mark, self._chars)
        self._said, self._chars = {}, 0
        if not self._held and held.ready():
            self.released += held.chars
            return data
        self._held.append(held)
        self._size += len(data)
        if self._size > MAX_WAITING_BYTES and not self._waits and self._flow is not None:
            self._waits = True
            self._flow.wait(on=True)
        return b""

    def _ready(self) -> Iterator[bytes]:
        """Take out the events at the head that may leave."""
        while self._held and self._held[0].ready():
            held = self._held.popleft()
            self._size -= len(held.data)
            self.released += held.chars
            yield held.data

    # --- judging

    def _go_on(self) -> None:
        if self._pending and self._task is None and self._error is None:
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        while self._pending:
            batch = [self._pending.popleft() for _ in range(min(MAX_BATCH, len(self._pending)))]
            answers = await self._judge.ask([Spoken(text.kind, text.path, clause) for text, clause in batch])
            for text, clause in batch:
                try:
                    self._judge.conclude(Spoken(text.kind, text.path, clause), answers)
                except Blocked as blocked:
                    self._fail(blocked)
                    return
                text.judged += 1
                text.chars += clause.size
            self._release()
        self._task = None

    def _release(self) -> None:
        flow = self._flow
        if flow is None:
            return
        data = b"".join(self._ready())
        if data:
            flow.show(data)
        if self._waits and self._size <= MAX_WAITING_BYTES // 2:
            self._waits = False
            flow.wait(on=False)

    def _fail(self, error: GatewayError) -> None:
        self._error = error
        flow = self._flow
        data = b"".join(self._ready()) if flow is not None else b""
        if flow is not None and data:
            flow.show(data)
        self._task = None
        if flow is not None:
            self.drop()
            flow.stop(error)


def _events(data: bytes) -> Iterator[bytes]:
    """Cut bytes behind each event, so that what is clean does not wait for what came with it."""
    at = 0
    while (end := data.find(_NEW_EVENT, at)) >= 0:
        yield data[at : end + 2]
        at = end + 2
    if at < len(data):
        yield data[at:]
