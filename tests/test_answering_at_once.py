"""Calls that ask the same at the same time: one goes to the provider, the others wait for it or follow its stream."""

from __future__ import annotations

import asyncio

from gateway.core.cached import Selector
from gateway.core.errors import StreamBroken
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
            await asyncio.wait_for(drive.wait(), 10)
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
        await asyncio.wait_for(drives[0].wait(), 10)
        for _ in range(5):
            await asyncio.sleep(0)
        whole(BODY)(rooms.wires[1].sink)
        await asyncio.wait_for(drives[1].wait(), 10)
        assert [each.status for each in replies] == [503, 200]

    run(test)


def test_a_leader_that_goes_away_lets_the_others_ask():
    async def test() -> None:
        rooms = Rooms(None, cache=RULES)
        replies = [ListReply() for _ in range(2)]
        drives = [rooms.begin(chat(), reply) for reply in replies]
        await asyncio.sleep(0)
        drives[0].cancel()
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(rooms.wires) == 2
        whole(BODY)(rooms.wires[1].sink)
        await asyncio.wait_for(drives[1].wait(), 10)
        assert replies[1].status == 200
        await rooms.ended()

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
            await asyncio.wait_for(drive.wait(), 10)
        whole_stream = b"".join(STREAM)
        assert leader.body == whole_stream
        assert [each.body for each in (early, late)] == [own(whole_stream, each) for each in (early, late)]
        assert len(rooms.wires) == 1
        assert sorted(each.cache for each in rooms.records) == ["hit-exact", "hit-exact", "miss"]

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
        await asyncio.wait_for(drives[0].wait(), 10)
        assert (leader.body, follower.body) == (b"".join(STREAM), own(STREAM[0], follower))
        assert "pause" not in rooms.log
        follower.flow[1]()
        await asyncio.wait_for(drives[1].wait(), 10)
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
            await asyncio.wait_for(drive.wait(), 10)
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
        await asyncio.wait_for(drives[1].wait(), 10)
        assert waiting.body == b"".join(STREAM)

    run(test)
