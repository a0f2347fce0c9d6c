"""What may happen to two deployments that are at work on one call: rules that hold text, errors, limits, the clock."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest

from gateway.core.exchange import HedgeRule, QueueRule, RoutePolicy, Timeouts
from gateway.core.verdict import When
from gateway.hedging import OUTRUN
from tests.support.duel import GOOD, OTHER, SOON, WORDS, Duel, alone, duel, over, settled
from tests.support.rooms import DONE, EVENTS, JSON, PROVIDER, Script, chat, event, rule, run, stream, whole
from tests.support.sinks import ListReply

STREAM = chat("hello", stream=True)
AT_Q = msgspec.structs.replace(PROVIDER, base_url="http://q.example/v1")
OSPREY = rule("osprey", "redact", "response")
WORD = rule("osprey", "block", "response")
# Holds all text until it is whole.
WHOLE = msgspec.structs.replace(
    WORD, id="late", when=When(op="all", parts=(WORD.when, rule("falcon", "block", "response").when))
)
NO = b'{"error":{"message":"no","code":503}}'
BAD_FIRST: list[tuple[Any, Script]] = [
    (False, whole(NO)),
    (False, whole(b"<html>no</html>", 200, {b"content-type": b"text/html"})),
    (False, whole(b"")),
    (True, whole(NO)),
    (True, stream(b"data: " + NO + b"\n\n")),
    (True, stream(event(""), b"data: " + NO + b"\n\n")),
    (True, stream()),
    (True, stream(b": ping\n\n")),
]


# --- rules that hold text


def test_a_stream_that_has_begun_has_begun_though_rules_hold_all_of_it():
    async def test() -> None:
        rooms = Duel(None, WHOLE)
        await rooms.earn(chat("hello", max_tokens=10))
        reply = await alone(rooms, STREAM, *WORDS)
        assert reply.header("x-weighbridge-attempts") == "1"
        assert b"all of it" in reply.body

    run(test)


@pytest.mark.parametrize("sooner", [0, 1])
def test_where_rules_hold_both_the_one_that_is_whole_first_has_the_call(sooner: int):
    async def test() -> None:
        rooms, reply, drive = await duel(STREAM, WHOLE, to=(PROVIDER, AT_Q))
        later = rooms.wires[1 - sooner].sink
        later.on_head(200, dict(EVENTS))
        later.on_data(event("twelve letters, and then some more"))
        assert not reply.started
        stream(*WORDS)(rooms.wires[sooner].sink)
        await over(rooms, drive)
        assert b"all of it" in reply.body
        assert b"letters" not in reply.body
        lost = rooms.record.attempts[1 - sooner]
        # What was held back of the other was said, and is paid for.
        assert (lost.error_code, lost.input_tokens, lost.output_tokens) == (
            OUTRUN,
            10,
            len("twelve letters, and then some more") // 4,
        )
        assert lost.cost_nanousd == 10 * 1000 + (lost.output_tokens or 0) * 2000
        assert rooms.record.cost_nanousd == 18_000 + (lost.cost_nanousd or 0)

    run(test)


def test_a_stream_that_rules_hold_and_that_breaks_off_has_not_won():
    async def test() -> None:
        for winner in (0, 1):
            rooms, reply, drive = await duel(STREAM, WHOLE)
            stream(event("half of"))(rooms.wires[1 - winner].sink)
            assert not drive.ended
            stream(*WORDS)(rooms.wires[winner].sink)
            await over(rooms, drive)
            assert b"half" not in reply.body
            assert reply.body.endswith(DONE)
            assert [each[4] for each in rooms.tries] == (
                ["", "upstream_error"] if winner == 0 else ["upstream_error", ""]
            )

    run(test)


def test_a_client_that_leaves_while_rules_hold_both_leaves_both():
    async def test() -> None:
        rooms, reply, drive = await duel(STREAM, WHOLE, to=(PROVIDER, AT_Q))
        for wire in rooms.wires:
            wire.sink.on_head(200, dict(EVENTS))
            wire.sink.on_data(event("some words that nobody sees"))
        reply.gone = True
        drive.cancel()
        await over(rooms, drive)
        assert rooms.log.count("cancel") == 2
        first, hedge = rooms.record.attempts
        assert (first.error_code, hedge.error_code) == ("client_closed", "client_closed")
        assert first.output_tokens
        assert hedge.output_tokens
        assert rooms.record.cost_nanousd == (first.cost_nanousd or 0) + (hedge.cost_nanousd or 0)

    run(test)


# --- the clock


@pytest.mark.parametrize("stream_", [False, True])
def test_when_the_time_for_the_call_is_over_both_are_stopped(stream_: bool):
    async def test() -> None:
        brief = Timeouts(total_s=0.1)
        to = tuple(msgspec.structs.replace(each, timeouts=brief) for each in (PROVIDER, OTHER))
        rooms, reply, drive = await duel(chat("hello", stream=stream_), to=to)
        await over(rooms, drive)
        assert rooms.log.count("cancel") == 2
        assert reply.status == 504
        assert orjson.loads(reply.body)["error"]["code"] == "upstream_timeout"
        assert rooms.tries == [(1, "first", "p", 0, "upstream_timeout"), (2, "hedge", "q", 0, "upstream_timeout")]
        # It says nothing of either of them.
        assert rooms.health("p").failures == rooms.health("q").failures == 0

    run(test)


def test_when_the_time_is_over_in_the_middle_of_the_winners_stream_it_ends_with_an_error():
    async def test() -> None:
        brief = Timeouts(total_s=0.1)
        to = tuple(msgspec.structs.replace(each, timeouts=brief) for each in (PROVIDER, OTHER))
        rooms, reply, drive = await duel(STREAM, to=to)
        rooms.second.on_head(200, dict(EVENTS))
        rooms.second.on_data(event("half of"))
        await over(rooms, drive)
        assert b"half of" in reply.body
        assert b"upstream_timeout" in reply.body
        assert [each[4] for each in rooms.tries] == [OUTRUN, "upstream_timeout"]

    run(test)


# --- errors


@pytest.mark.parametrize(("stream_", "bad"), BAD_FIRST)
@pytest.mark.parametrize("other", [0, 1])
def test_an_error_that_says_all_is_well_has_not_won(stream_: bool, bad: Script, other: int):
    async def test() -> None:
        rooms, reply, drive = await duel(chat("hello", stream=stream_))
        bad(rooms.wires[1 - other].sink)
        assert not drive.ended
        assert not reply.started
        assert rooms.seats() == 1
        (stream(*WORDS) if stream_ else GOOD)(rooms.wires[other].sink)
        await over(rooms, drive)
        assert (reply.status, reply.header("x-weighbridge-provider")) == (200, "pq"[other])
        assert [each[4] for each in rooms.tries] == (["", "upstream_error"] if other == 0 else ["upstream_error", ""])
        failed = rooms.record.attempts[1 - other]
        assert (failed.input_tokens, failed.cost_nanousd) == (None, None)
        assert rooms.health("pq"[1 - other]).failures == 1

    run(test)


@pytest.mark.parametrize("other", [0, 1])
def test_who_asks_for_rest_gets_it_and_the_other_goes_on(other: int):
    async def test() -> None:
        rooms, reply, drive = await duel(chat())
        busy = whole(b'{"error":{"message":"busy"}}', 429, {**JSON, b"retry-after": b"30"})
        busy(rooms.wires[1 - other].sink)
        assert not drive.ended
        GOOD(rooms.wires[other].sink)
        await over(rooms, drive)
        assert (reply.status, reply.header("retry-after")) == (200, None)
        resting, well = rooms.health("pq"[1 - other]), rooms.health("pq"[other])
        assert resting.rests_s(rooms.healths.now_s()) == 30.0
        assert resting.breaker.state(rooms.healths.now_s()) == "closed"
        assert well.rests_s(rooms.healths.now_s()) == 0.0

    run(test)


def test_where_both_ask_for_rest_the_client_is_told():
    async def test() -> None:
        rooms, reply, drive = await duel(chat())
        for wire in list(rooms.wires):
            whole(b'{"error":{"message":"busy"}}', 429, {**JSON, b"retry-after": b"30"})(wire.sink)
        await over(rooms, drive)
        assert (reply.status, reply.header("retry-after")) == (429, "30")
        assert [each[3:] for each in rooms.tries] == [(429, "upstream_error")] * 2
        assert rooms.record.cost_nanousd is None

    run(test)


# --- room


@pytest.mark.parametrize("queue", [QueueRule(), QueueRule(length=0)])
def test_where_the_second_is_full_nobody_is_asked_and_nobody_waits(queue: QueueRule):
    async def test() -> None:
        small = msgspec.structs.replace(OTHER, max_concurrency=1)
        policy = RoutePolicy(hedge=HedgeRule(after_s=0.002, max_extra_cost=1.0), queue=queue)
        rooms = Duel(policy, to=(PROVIDER, small))
        await rooms.earn(chat("hello", max_tokens=10))
        full = rooms.health("q")
        full.begin(rooms.healths.now_s())
        reply = ListReply(rooms.log)
        drive = rooms.begin(chat(), reply)
        await settled(lambda: bool(rooms.wires))
        until = rooms.loop.time() + 0.02
        await settled(lambda: rooms.loop.time() > until)
        assert (len(rooms.wires), full.in_flight) == (1, 1)
        assert rooms.healths.queues() == []
        GOOD(rooms.first)
        full.leave()
        await over(rooms, drive)
        assert reply.header("x-weighbridge-attempts") == "1"
        # The next call is given to both again.
        rooms.wires.clear()
        rooms.records.clear()
        rooms.log.clear()
        await rooms.earn(chat("hello", max_tokens=10))
        drive = await rooms.both(chat(), ListReply(rooms.log))
        GOOD(rooms.second)
        await over(rooms, drive)

    run(test)


def test_a_hedge_takes_no_place_from_those_who_wait():
    async def test() -> None:
        small = tuple(msgspec.structs.replace(each, max_concurrency=1) for each in (PROVIDER, OTHER))
        rooms = Duel(RoutePolicy(hedge=SOON, queue=QueueRule(wait_s=60.0)), to=small)
        await rooms.earn(chat("hello", max_tokens=10))
        rooms.health("q").begin(rooms.healths.now_s())
        first, waits = ListReply(rooms.log), ListReply(rooms.log)
        one = rooms.begin(chat(), first)
        await settled(lambda: bool(rooms.wires))
        other = rooms.begin(chat(), waits)
        until = rooms.loop.time() + 0.02
        await settled(lambda: rooms.loop.time() > until)
        rooms.health("q").leave()
        # Whose turn it is, and not the hedge of who is served.
        await settled(lambda: len(rooms.wires) == 2)
        GOOD(rooms.second)
        GOOD(rooms.first)
        await one.wait()
        await other.wait()
        assert (first.status, waits.status) == (200, 200)
        assert sorted(len(each.attempts) for each in rooms.records) == [1, 1]
        assert rooms.seats() == 0

    run(test)
