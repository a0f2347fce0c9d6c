from __future__ import annotations

import asyncio

from gateway.core.call import Call
from gateway.core.codec import WireRequest
from gateway.core.errors import ConnectFailed, StreamBroken
from gateway.upstream.attempt import Attempt
from gateway.upstream.leg import Leg, LegSink
from gateway.wire.bridge import Spare
from gateway.wire.continuing import Continuation, SeamWriter, find_seam, reader_of
from gateway.wire.joint import Continuing
from gateway.wire.select import select
from tests.support.cut_streams import asking, pieces, read, text_of
from tests.support.rooms import EVENTS, JSON
from tests.support.sinks import ListReply

BEGUN = b"".join(pieces("openai_chat", ["Once ", "upon "], whole=False))
REST = b"".join(pieces("openai_chat", ["a time."], name="two"))


class _Running:
    def __init__(self) -> None:
        self.told: list[str] = []

    def cancel(self) -> None:
        self.told.append("cancel")

    def pause(self) -> None:
        self.told.append("pause")

    def resume(self) -> None:
        self.told.append("resume")


def cut(running: _Running | None = None, *, behind: bool = False) -> tuple[Call, Attempt, ListReply]:
    reply = ListReply([])
    incoming = asking("openai_chat")
    dialect, request = select(incoming)
    call = Call(incoming, reply, None, dialect, request)
    attempt = Attempt(call, lambda _: b"", lambda: 1, gather="watch")
    attempt.running = running
    attempt.on_head(200, dict(EVENTS))
    if behind and reply.flow is not None:
        reply.flow[0]()
    attempt.on_data(BEGUN + b"data: {half")
    attempt.on_fail(StreamBroken("cut"))
    return call, attempt, reply


def leg_of(call: Call, attempt: Attempt) -> tuple[Leg, LegSink]:
    request = call.request
    assert request is not None
    seam = find_seam(request, call.incoming.path, attempt.gathered or b"")
    assert seam is not None
    writer = SeamWriter(seam, Continuing(""), None)
    part = Continuation(reader_of("openai_chat"), writer, WireRequest(path="", document=None), {}, Spare("x", 0))
    leg = Leg(call, attempt, seam.clean, lambda: 2)
    return leg, LegSink(leg, part, call.dialect)


def test_the_rest_goes_to_the_same_client_through_the_same_reader():
    async def test() -> None:
        call, attempt, reply = cut()
        leg, sink = leg_of(call, attempt)
        sink.on_head(200, dict(EVENTS))
        sink.on_data(REST)
        sink.on_end()
        await leg
        assert leg.reader is attempt.reader
        assert leg.reader is not None
        reply.finish(leg.reader.finish())
        assert text_of(read("openai_chat", reply.body)) == "Once upon a time."
        assert leg.out_bytes > attempt.out_bytes
        assert leg.first_ns
        # All of it, should it be cut again.
        assert leg.gathered is not None
        assert text_of(read("openai_chat", leg.gathered)) == "Once upon a time."

    asyncio.run(test())


def test_of_an_error_answer_the_client_sees_nothing():
    async def test() -> None:
        call, attempt, reply = cut()
        before = reply.body
        leg, sink = leg_of(call, attempt)
        sink.on_head(503, dict(JSON))
        sink.on_data(b'{"error":{"message":"busy"}}')
        sink.on_end()
        await leg
        assert (leg.status, reply.body) == (503, before)

    asyncio.run(test())


def test_a_client_that_is_behind_is_waited_for_by_the_next_provider_too():
    async def test() -> None:
        running = _Running()
        call, attempt, reply = cut(running, behind=True)
        leg, sink = leg_of(call, attempt)
        running.told.clear()
        sink.running = running
        leg.under_way()
        assert running.told == ["pause"]
        assert reply.flow is not None
        reply.flow[1]()
        assert running.told == ["pause", "resume"]
        assert sink.running is running
        reply.flow[0]()
        leg.on_fail(ConnectFailed("x"))
        assert running.told == ["pause", "resume", "pause", "resume"]

    asyncio.run(test())


def test_a_client_that_keeps_up_makes_nobody_wait():
    async def test() -> None:
        running = _Running()
        call, attempt, _ = cut(running)
        leg, sink = leg_of(call, attempt)
        running.told.clear()
        sink.running = running
        leg.under_way()
        assert running.told == []

    asyncio.run(test())
