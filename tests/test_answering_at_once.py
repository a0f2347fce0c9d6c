"""Calls that ask the same at the same time: one goes to the provider, the others wait for it or follow its stream."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.core.cached import Selector
from gateway.core.errors import Draining, StreamBroken
from gateway.listener.drive import Drive
from tests.support.rooms import DONE, Rooms, answer, chat, run, stream, whole
from tests.support.sinks import ListReply
from tests.test_answering import BODY, RULES, STREAM, STREAMED


def own(events: bytes, reply: ListReply) -> bytes:
    """The events under the id that a follower's stream has."""
    name = reply.header("x-weighbridge-id")
    assert name is not None
    return events.replace(b"chatcmpl-123456", f"chatcmpl-{name.replace('-', '')}".encode())


def test_calls_that_ask_the_same_at_once_wait_for_one():
    async def test() -> None:
        rooms = Rooms(None, cache=RULES)
        replies = [ListReply() for _ in range(5)]
        drives = [rooms.begin(chat(), reply) for reply in replies]
        await asyncio.sleep(0)
        assert len(rooms.wires) == 1
        whole(BODY)(rooms.wires[0].sink)
        for drive in drives:
            await asyncio.wait_for(drive.wait(), 60)
        assert [each.status for each in replies] == [200] * 5
        assert sorted(each.cache for each in rooms.records) == ["hit-exact"] * 4 + ["miss"]
        assert len(rooms.wires) == 1

    run(test)


def test_who_waited_in_vain_asks_for_itself():
    async def test() -> None:
        rooms = Rooms(None, cache=RULES)
        replies = [ListReply() for _ in range(2)]
        drives = [rooms.begin(chat(), reply) for reply in replies]
        await asyncio.sleep(0)
        whole(answer(), status=503)(rooms.wires[0].sink)
        await asyncio.wait_for(drives[0].wait(), 60)
        for _ in range(5):
            await asyncio.sleep(0)
        whole(BODY)(rooms.wires[1].sink)
        await asyncio.wait_for(drives[1].wait(), 60)
        assert [each.status for each in replies] == [503, 200]

    run(test)


async def leaves(drive: Drive, reply: ListReply, reason: BaseException | None = None) -> None:
    """The client closes its connection, as the listener tells it."""
    reply.gone = True
    drive.cancel(reason)
    await asyncio.wait_for(drive.wait(), 60)


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_call_goes_on_for_those_who_wait_when_its_client_has_gone():
    async def test() -> None:
        rooms = Rooms(None, cache=RULES)
        replies = [ListReply() for _ in range(3)]
        drives = [rooms.begin(chat(), reply) for reply in replies[:2]]
        await turns()
        await leaves(drives[0], replies[0])
        # Who comes now waits for it too.
        drives.append(rooms.begin(chat(), replies[2]))
        await turns()
        assert (len(rooms.wires), "cancel" in rooms.log) == (1, False)
        whole(BODY)(rooms.wires[0].sink)
        for drive in drives[1:]:
            await asyncio.wait_for(drive.wait(), 60)
        await rooms.ended()
        assert [each.status for each in replies[1:]] == [200, 200]
        gone, *given = sorted(rooms.records, key=lambda each: each.cache, reverse=True)
        assert (gone.status, gone.error_code, gone.cost_nanousd) == (499, "client_closed", 18_000)
        assert (gone.attempts[0].status, gone.attempts[0].error_code) == (200, "")
        assert [(each.cache, each.cached[0].origin) for each in given] == [("hit-exact", gone.id)] * 2
        late = await rooms.serve(chat())
        assert late.header("x-weighbridge-cache") == "hit-exact"

    run(test)


def test_a_stream_goes_on_for_those_who_follow_it_when_its_client_has_gone():
    async def test() -> None:
        rooms = Rooms(None, cache=RULES)
        leader, shown = ListReply(), ListReply()
        drives = [rooms.begin(chat(**STREAMED), leader), rooms.begin(chat(**STREAMED), shown)]
        sink = rooms.wires[0].sink
        sink.on_head(200, {b"content-type": b"text/event-stream"})
        sink.on_data(STREAM[0])
        # It reads too slowly, and then not at all: nobody is to wait for that.
        assert leader.flow is not None
        leader.flow[0]()
        assert rooms.log[-1] == "pause"
        await leaves(drives[0], leader)
        assert rooms.log[-1] == "resume"
        for piece in STREAM[1:]:
            sink.on_data(piece)
        sink.on_end()
        await asyncio.wait_for(drives[1].wait(), 60)
        await rooms.ended()
        assert shown.body == own(b"".join(STREAM), shown)
        gone, given = sorted(rooms.records, key=lambda each: each.cache, reverse=True)
        assert (gone.status, gone.error_code, gone.input_tokens, gone.output_tokens) == (499, "client_closed", 10, 4)
        assert (given.status, given.cache, given.cost_nanousd) == (200, "hit-exact", 0)
        assert (given.cached[0].origin, given.cached[0].saved_nanousd) == (gone.id, gone.cost_nanousd)
        late = await rooms.serve(chat(**STREAMED))
        assert late.header("x-weighbridge-cache") == "hit-exact"

    run(test)


@pytest.mark.parametrize("more", [{}, STREAMED], ids=["whole", "stream"])
def test_a_call_stops_when_the_last_who_waits_has_gone_too(more: dict[str, Any]):
    async def test() -> None:
        rooms = Rooms(None, cache=RULES)
        replies = [ListReply() for _ in range(3)]
        drives = [rooms.begin(chat(**more), reply) for reply in replies]
        await turns()
        for drive, reply in zip(drives, replies, strict=True):
            assert "cancel" not in rooms.log
            await leaves(drive, reply)
        await turns()
        await rooms.ended()
        assert (rooms.log.count("cancel"), len(rooms.wires)) == (1, 1)
        assert max((each.cache, each.status) for each in rooms.records) == ("miss", 499)
        assert [each.error_code for each in rooms.records] == ["client_closed"] * 3
        # Nothing is left of it: who asks now is the first.
        last = ListReply()
        drive = rooms.begin(chat(**more), last)
        await turns()
        assert len(rooms.wires) == 2
        (stream(*STREAM) if more else whole(BODY))(rooms.wires[1].sink)
        await asyncio.wait_for(drive.wait(), 60)
        assert last.header("x-weighbridge-cache") == "miss"

    run(test)


def test_a_call_for_which_nobody_waits_stops_with_its_client():
    async def test() -> None:
        rooms = Rooms(None, cache=RULES)
        reply = ListReply()
        await leaves(rooms.begin(chat(), reply), reply)
        await rooms.ended()
        assert (rooms.log.count("cancel"), rooms.record.status, rooms.pipeline.endings) == (1, 499, set())

    run(test)


def test_a_gateway_that_goes_away_ends_the_call_for_all():
    async def test() -> None:
        rooms = Rooms(None, cache=RULES)
        replies = [ListReply() for _ in range(2)]
        drives = [rooms.begin(chat(), reply) for reply in replies]
        await turns()
        for drive in drives:
            drive.cancel(Draining())
        for drive in drives:
            await asyncio.wait_for(drive.wait(), 60)
        assert [each.status for each in replies] == [503, 503]
        assert (rooms.log.count("cancel"), rooms.pipeline.endings) == (1, set())

    run(test)


def test_what_goes_on_without_its_client_and_fails_lets_the_others_ask():
    async def test() -> None:
        rooms = Rooms(None, cache=RULES)
        replies = [ListReply() for _ in range(2)]
        drives = [rooms.begin(chat(), reply) for reply in replies]
        await turns()
        await leaves(drives[0], replies[0])
        rooms.wires[0].sink.on_fail(StreamBroken("cut"))
        await rooms.ended()
        await turns()
        assert len(rooms.wires) == 2
        whole(BODY)(rooms.wires[1].sink)
        await asyncio.wait_for(drives[1].wait(), 60)
        assert (replies[1].status, replies[1].header("x-weighbridge-cache")) == (200, "miss")
        assert [each.cost_nanousd for each in rooms.records] == [None, 18_000]

    run(test)


def test_a_stream_fans_out_while_it_runs():
    async def test() -> None:
        rooms = Rooms(None, cache=RULES)
        leader, early, late = (ListReply() for _ in range(3))
        drives = [rooms.begin(chat(**STREAMED), leader), rooms.begin(chat(**STREAMED), early)]
        sink = rooms.wires[0].sink
        sink.on_head(200, {b"content-type": b"text/event-stream"})
        sink.on_data(STREAM[0])
        assert early.body == own(STREAM[0], early)
        drives.append(rooms.begin(chat(**STREAMED), late))
        assert late.body == own(STREAM[0], late)
        sink.on_data(STREAM[1] + STREAM[2])
        for piece in STREAM[3:]:
            sink.on_data(piece)
        sink.on_end()
        for drive in drives:
            await asyncio.wait_for(drive.wait(), 60)
        whole_stream = b"".join(STREAM)
        assert leader.body == whole_stream
        assert [each.body for each in (early, late)] == [own(whole_stream, each) for each in (early, late)]
        assert len(rooms.wires) == 1
        *given, made = sorted(rooms.records, key=lambda each: each.cache)
        assert [each.cache for each in (*given, made)] == ["hit-exact", "hit-exact", "miss"]
        # What it cost is known before those who follow are recorded.
        assert {(each.cached[0].origin, each.cached[0].saved_nanousd) for each in given} == {(made.id, 18_000)}

    run(test)


def test_a_slow_follower_holds_up_nobody():
    async def test() -> None:
        rooms = Rooms(None, cache=RULES)
        leader, follower = ListReply(), ListReply()
        drives = [rooms.begin(chat(**STREAMED), leader), rooms.begin(chat(**STREAMED), follower)]
        sink = rooms.wires[0].sink
        sink.on_head(200, {b"content-type": b"text/event-stream"})
        sink.on_data(STREAM[0])
        assert follower.flow is not None
        follower.flow[0]()
        for piece in STREAM[1:]:
            sink.on_data(piece)
        sink.on_end()
        await asyncio.wait_for(drives[0].wait(), 60)
        assert (leader.body, follower.body) == (b"".join(STREAM), own(STREAM[0], follower))
        assert "pause" not in rooms.log
        follower.flow[1]()
        await asyncio.wait_for(drives[1].wait(), 60)
        assert follower.body == own(b"".join(STREAM), follower)

    run(test)


def test_followers_of_a_stream_that_breaks_are_told_or_ask_for_themselves():
    async def test() -> None:
        rooms = Rooms(None, cache=RULES)
        leader, shown = ListReply(), ListReply()
        drives = [rooms.begin(chat(**STREAMED), leader), rooms.begin(chat(**STREAMED), shown)]
        sink = rooms.wires[0].sink
        sink.on_head(200, {b"content-type": b"text/event-stream"})
        sink.on_data(STREAM[0])
        sink.on_fail(StreamBroken("cut"))
        for drive in drives:
            await asyncio.wait_for(drive.wait(), 60)
        assert not shown.body.endswith(DONE)
        assert b"error" in shown.body
        assert rooms.answers is not None
        assert await rooms.answers.store.drop(Selector(everything=True), dry_run=True) == 0

        begun, waiting = ListReply(), ListReply()
        drives = [rooms.begin(chat(**STREAMED), begun), rooms.begin(chat(**STREAMED), waiting)]
        rooms.wires[1].sink.on_fail(StreamBroken("cut"))
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(rooms.wires) == 3
        stream(*STREAM)(rooms.wires[2].sink)
        await asyncio.wait_for(drives[1].wait(), 60)
        assert waiting.body == b"".join(STREAM)

    run(test)
