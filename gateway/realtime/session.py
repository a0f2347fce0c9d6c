"""One session from its handshake to its end: frames both ways as they came, judged, weighed, recorded once.

Two pumps carry whole messages, one each way, and wait for whoever reads too slowly; at most one message a direction is
held. Whatever ends one of them ends the session, at both ends and at once. A close frame passes as every other, so
each end learns the other's code; who is gone without one is told of by one of ours.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from gateway.core.call import Call
from gateway.core.errors import (
    AuthenticationFailed,
    Blocked,
    ClientGone,
    GatewayError,
    InvalidAnswer,
    MalformedRequest,
    RateLimited,
    StreamBroken,
)
from gateway.core.exchange import Request
from gateway.core.ports import ClientLine, Line
from gateway.course import Course
from gateway.realtime.ending import CLIENT_GONE, Ending, Leg
from gateway.realtime.judging import SessionJudge
from gateway.realtime.rooms import Rooms
from gateway.realtime.weighing import Scales
from gateway.wire import websocket
from gateway.wire.openai_realtime.errors import error_event
from gateway.wire.openai_realtime.events import SOUND_IN, kind_of, with_known_model
from gateway.wire.shapes import is_object
from gateway.wire.strict_json import parse_body
from gateway.wire.websocket import FrameFault, Message, MessageReader

# After this long without a byte an end is asked whether it is still there, and given as long again to say so.
SILENT_S = 60.0
# How long an end has to answer a close frame.
CLOSE_S = 1.0
KEPT_BYTES = 65_536
_ASKED = b"weighbridge"
_SWITCHED = 101
_PROVIDER_GONE = "The provider cut the session."
# What the gateway must know of what a server says where no rule listens.
_NOTED = (
    b'"response.created"', b'"response.done"', b'"session.created"', b'"session.updated"',
    b'"transcription_session.created"', b'"conversation.item.input_audio_transcription.completed"',
)  # fmt: skip


class Side:
    """One end of a session.

    Attributes:
        closed: A close frame has come from it.
        told: A close frame has been sent to it.
    """

    __slots__ = ("asked", "closed", "line", "reader", "told")

    def __init__(self, line: Line, *, masked: bool) -> None:
        self.line = line
        self.reader = MessageReader(masked=masked)
        self.closed = self.told = self.asked = False


class Session:
    """A session that is open; arguments as of :func:`gateway.realtime.opening.converse`."""

    def __init__(self, call: Call, request: Request, course: Course, rooms: Rooms, leg: Leg) -> None:
        self._call = call
        self._request = request
        self._course = course
        self._journal = rooms.journal
        self._leg = leg
        self._record = record = rooms.journal.record(call)
        self._scales = Scales(call, request, course.principal, course.deployment, rooms.ledger)
        self._judge = SessionJudge(course.guard, record, request, rooms.sessions)
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[Ending] = self._loop.create_future()
        self._closing: asyncio.TimerHandle | None = None
        self._leaving = False
        self._kept = {"in": bytearray(), "out": bytearray()}
        self._bytes_in = self._said_so_far = 0

    async def run(self, client: ClientLine, provider: Line) -> None:
        """Carry frames until the session is over, and record it."""
        self._client, self._provider = Side(client, masked=True), Side(provider, masked=False)
        pumps = [
            self._loop.create_task(self._pump(self._client, self._from_client, ClientGone(CLIENT_GONE))),
            self._loop.create_task(self._pump(self._provider, self._from_provider, StreamBroken(_PROVIDER_GONE))),
        ]
        for pump in pumps:
            pump.add_done_callback(self._pump_over)
        client.on_leaving(self._leave)
        ending: Ending | None = None
        try:
            ending = await self._over
            await self._part(ending, pumps)
        except asyncio.CancelledError as cancelled:
            if ending is None:
                ending = self._cut(cancelled.args[0] if cancelled.args else None)
                self._say_goodbye(ending)
            raise
        finally:
            if self._closing is not None:
                self._closing.cancel()
            for pump in pumps:
                pump.cancel()
            # What nobody foresaw is told and recorded by the listener.
            if ending is not None:
                self._file(ending)
            client.close()
            provider.close()
            await asyncio.gather(*pumps, return_exceptions=True)

    # --- its end

    def _leave(self) -> None:
        """The gateway is about to go: an answer that runs may end, and nothing begins any more."""
        self._leaving = True
        if not self._scales.active:
            self._end(Ending(websocket.GOING_AWAY))

    def _end(self, ending: Ending) -> None:
        if not self._over.done():
            self._over.set_result(ending)

    def _pump_over(self, pump: asyncio.Task[None]) -> None:
        error = None if pump.cancelled() else pump.exception()
        if error is not None and not self._over.done():
            self._over.set_exception(error)

    def _cut(self, reason: object) -> Ending:
        """How a session ends whose client has gone, or that the gateway leaves."""
        if isinstance(reason, GatewayError):
            return Ending(websocket.GOING_AWAY, reason)
        if self._client.closed or self._provider.closed:
            return Ending(websocket.NORMAL)
        return Ending(websocket.GOING_AWAY, ClientGone(CLIENT_GONE))

    async def _part(self, ending: Ending, pumps: list[asyncio.Task[None]]) -> None:
        """Tell both ends, and give them a moment to say that they have heard."""
        self._say_goodbye(ending)
        left = [pump for pump in pumps if not pump.done()]
        if left:
            await asyncio.wait(left, timeout=CLOSE_S)

    def _say_goodbye(self, ending: Ending) -> None:
        if ending.told is not None:
            self._show(ending.told)
        payload = websocket.close_payload(ending.code, ending.reason)
        for side in (self._client, self._provider):
            if not side.told:
                side.line.write(websocket.frame(websocket.CLOSE, payload, self._mask(side)))
                side.told = True

    def _file(self, ending: Ending) -> None:
        call, record = self._call, self._record
        self._leg.end()
        self._judge.close()
        self._scales.close(record)
        record.bytes_in, record.chunks = self._bytes_in, self._said_so_far
        if isinstance(ending.error, Blocked):
            record.verdict = "block"
        call.body, call.answer = bytes(self._kept["in"]), bytes(self._kept["out"])
        call.filed = True
        code = "" if ending.error is None else ending.error.code
        self._journal.close(call, _SWITCHED, code, b"")

    # --- pumps

    async def _pump(self, side: Side, take: Callable[[Message], Awaitable[None]], gone: GatewayError) -> None:
        """Carry one end's messages to the other until it has closed or is gone."""
        other = self._provider if side is self._client else self._client
        try:
            while not side.closed:
                data = await self._read(side)
                if not data:
                    fault = websocket.FAULT if side is self._provider else websocket.GOING_AWAY
                    self._end(Ending(websocket.NORMAL) if other.closed else Ending(fault, gone))
                    return
                for message in side.reader.feed(data):
                    await take(message)
        except FrameFault as fault:
            broken = MalformedRequest if side is self._client else InvalidAnswer
            self._end(Ending(fault.code, broken(fault.reason)))
        except GatewayError as error:
            self.stop(error)
        if side.closed and other.closed:
            self._end(Ending(websocket.NORMAL))

    async def _read(self, side: Side) -> bytes:
        """Read on; an end that has been silent for long is asked, once, whether it is there."""
        while True:
            try:
                async with asyncio.timeout(SILENT_S):
                    data = await side.line.read()
            except TimeoutError:
                if side.asked:
                    return b""
                side.asked = True
                side.line.write(websocket.frame(websocket.PING, _ASKED, self._mask(side)))
            else:
                side.asked = False
                return data

    async def _from_client(self, message: Message) -> None:
        self._bytes_in += len(message.raw)
        if message.opcode in {websocket.TEXT, websocket.BINARY}:
            left = await self._asked(message)
        else:
            left = self._control(self._client, message)
        if left and not self._provider.told:
            self._provider.line.write(left)
            self._provider.told = message.opcode == websocket.CLOSE
        await self._provider.line.drained()

    async def _from_provider(self, message: Message) -> None:
        event: Any = None
        left = message.raw
        if message.opcode == websocket.TEXT:
            self._said_so_far += 1
            left, event = self._said(message)
        elif message.opcode == websocket.BINARY:
            if self._judge.listens:
                self._judge.unread("response")
        else:
            left = self._control(self._provider, message)
        self._show(left)
        self._client.told |= message.opcode == websocket.CLOSE
        if event is not None:
            await self._scales.weigh(event, self._journal.started_us(self._journal.now_ns()))
            await self._judge.reflect(event)
            if self._leaving and not self._scales.active:
                self._end(Ending(websocket.GOING_AWAY))
        await self._client.line.drained()

    def _control(self, side: Side, message: Message) -> bytes:
        if message.opcode == websocket.PONG and message.payload == _ASKED:
            return b""
        if message.opcode == websocket.CLOSE:
            side.closed = True
            if self._closing is None:
                self._closing = self._loop.call_later(CLOSE_S, self._end, Ending(websocket.NORMAL))
        return message.raw

    async def _asked(self, message: Message) -> bytes:
        """Judge a client's message; what is turned back is answered here and goes nowhere."""
        event: Any = None
        try:
            if message.opcode == websocket.BINARY:
                if self._course.guard.request_active:
                    self._judge.unread("request")
                return message.raw
            event = parse_body(message.payload)
            if not is_object(event):
                raise MalformedRequest("An event must be a JSON object.")
            admitted = await self._judge.ask(self._named(event), message.payload)
        except GatewayError as error:
            self._show(self._error(error, event))
            await self._client.line.drained()
            return b""
        kept = message.payload if admitted is event else orjson.dumps(admitted)
        if kind_of(event) != SOUND_IN:
            self._keep("in", kept)
        return message.raw if admitted is event else websocket.frame(websocket.TEXT, kept, os.urandom(4))

    def _named(self, event: dict[str, Any]) -> dict[str, Any]:
        return with_known_model(event, self._request.model, self._course.deployment.model)

    def _said(self, message: Message) -> tuple[bytes, Any]:
        """Read a server's message: what the client may have of it, and the event where it is to be looked at again."""
        payload = message.payload
        if not self._judge.listens and not any(mark in payload for mark in _NOTED):
            return message.raw, None
        try:
            event: Any = orjson.loads(payload)
        except orjson.JSONDecodeError:
            event = None
        if not is_object(event):
            if self._judge.listens:
                self._judge.unread("response")
            return message.raw, None
        out = self._judge.say(event, len(payload))
        if kind_of(event) == "response.done":
            self._keep("out", payload if out[-1] is event else orjson.dumps(out[-1]))
        frames = [message.raw if each is event else websocket.frame(websocket.TEXT, orjson.dumps(each)) for each in out]
        return b"".join(frames), event

    # --- out

    def _show(self, data: bytes) -> None:
        if data and not self._client.told:
            self._leg.shown(len(data))
            self._client.line.write(data)

    def stop(self, error: GatewayError) -> None:
        """End: a rule, a limit or a provider has stopped the session, or its key is no longer good."""
        code = websocket.FAULT
        if isinstance(error, (Blocked, AuthenticationFailed)):
            code = websocket.POLICY
        elif isinstance(error, RateLimited):
            code = websocket.TRY_AGAIN
        self._end(Ending(code, error, self._error(error, None)))

    def _error(self, error: GatewayError, event: Any) -> bytes:
        return websocket.frame(websocket.TEXT, error_event(error, self._record.id, event))

    def _keep(self, which: str, payload: bytes) -> None:
        kept = self._kept[which]
        if len(kept) + len(payload) < KEPT_BYTES:
            kept += payload + b"\n"

    def _mask(self, side: Side) -> bytes:
        return os.urandom(4) if side is self._provider else b""
