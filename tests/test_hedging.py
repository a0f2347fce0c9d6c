"""Two deployments at work on one call: who has it, what becomes of the other, and what is on the record."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest

from gateway.accounting.stream_meter import STEP_TOKENS
from gateway.core.errors import ConnectFailed, StreamBroken
from gateway.core.exchange import HedgeRule, RoutePolicy
from gateway.core.limits import LimitRule
from gateway.hedging import OUTRUN
from tests.support.duel import BUSY, GOOD, OTHER, RICH, WORDS, Duel, alone, duel, over, settled
from tests.support.incoming import json_incoming
from tests.support.rooms import (
    DONE,
    EVENTS,
    JSON,
    PROVIDER,
    USAGE,
    answer,
    chat,
    event,
    failing,
    run,
    stream,
    whole,
)
from tests.support.sinks import ListReply

STREAM = chat("hello", stream=True)


def test_the_second_has_the_call_when_it_begins_first():
    async def test() -> None:
        rooms, reply, drive = await duel(STREAM)
        rooms.second.on_head(200, dict(EVENTS))
        assert "cancel" not in rooms.log
        rooms.second.on_data(event("all"))
        # The first is stopped, and its seat is free, before anything else happens.
        assert rooms.log.index("cancel") < rooms.log.index("start")
        assert rooms.seats() == 1
        assert b"all" in reply.body
        for each in (event(" of it"), event(), event(usage=USAGE), DONE):
            rooms.second.on_data(each)
        await over(rooms, drive)
        assert reply.body.endswith(DONE)
        assert reply.header("x-weighbridge-provider") == "q"
        assert reply.header("x-weighbridge-attempts") == "2"
        assert rooms.tries == [(1, "first", "p", 0, OUTRUN), (2, "hedge", "q", 200, "")]
        assert (rooms.record.provider, rooms.record.input_tokens, rooms.record.output_tokens) == ("q", 10, 4)

    run(test)


def test_the_first_has_the_call_when_it_begins_first_after_all():
    async def test() -> None:
        rooms, reply, drive = await duel(STREAM)
        stream(*WORDS)(rooms.first)
        await over(rooms, drive)
        assert rooms.log.count("cancel") == 1
        assert reply.header("x-weighbridge-provider") == "p"
        assert reply.header("x-weighbridge-attempts") == "2"
        assert rooms.tries == [(1, "first", "p", 200, ""), (2, "hedge", "q", 0, OUTRUN)]
        assert rooms.record.provider == "p"

    run(test)


@pytest.mark.parametrize("sooner", [0, 1])
def test_of_whole_answers_the_one_that_is_whole_first_is_the_clients(sooner: int):
    async def test() -> None:
        rooms, reply, drive = await duel(chat())
        # A head alone decides nothing: what follows may break off.
        rooms.wires[1 - sooner].sink.on_head(200, dict(JSON))
        whole(answer(f"from {sooner}", usage=USAGE))(rooms.wires[sooner].sink)
        await over(rooms, drive)
        assert orjson.loads(reply.body)["choices"][0]["message"]["content"] == f"from {sooner}"
        assert reply.header("x-weighbridge-provider") == "pq"[sooner]
        assert [each[4] for each in rooms.tries] == ["", OUTRUN] if sooner == 0 else [OUTRUN, ""]
        assert rooms.log.count("cancel") == 1

    run(test)


def test_what_came_too_late_is_booked_as_an_estimate_and_told_apart():
    async def test() -> None:
        rooms, _, drive = await duel(STREAM)
        stream(*WORDS)(rooms.first)
        await over(rooms, drive)
        first, hedge = rooms.record.attempts
        # Nothing of its answer had come; what it was asked has to be paid.
        assert (hedge.input_tokens, hedge.output_tokens) == (10, 0)
        assert (first.input_tokens, first.output_tokens) == (10, 4)
        assert first.cost_nanousd == 18_000
        assert (rooms.record.cost_nanousd, hedge.cost_nanousd) == (18_000, None)
        rooms, reply, drive = await duel(
            chat(), to=(PROVIDER, msgspec.structs.replace(PROVIDER, base_url="http://q.example/v1"))
        )
        GOOD(rooms.second)
        await over(rooms, drive)
        first, hedge = rooms.record.attempts
        # A whole answer that was stopped may have been ready.
        assert (first.input_tokens, first.output_tokens, first.cost_nanousd) == (10, 4, 18_000)
        assert (hedge.cost_nanousd, rooms.record.cost_nanousd) == (18_000, 36_000)
        assert (rooms.record.input_tokens, rooms.record.usage_source) == (10, "reported")
        assert reply.header("x-weighbridge-cost-usd") == "0.000036"

    run(test)


def test_when_the_first_fails_the_second_has_the_call():
    async def test() -> None:
        rooms, reply, drive = await duel(STREAM)
        BUSY(rooms.first)
        assert rooms.seats() == 1
        stream(*WORDS)(rooms.second)
        await over(rooms, drive)
        assert reply.body.endswith(DONE)
        assert rooms.tries == [(1, "first", "p", 503, "upstream_error"), (2, "hedge", "q", 200, "")]
        assert rooms.health("p").failures == 1

    run(test)


@pytest.mark.parametrize("script", [BUSY, failing(ConnectFailed("no")), whole(b"{}", 401), stream(StreamBroken("cut"))])
def test_when_the_second_fails_the_first_goes_on(script: Any):
    async def test() -> None:
        rooms, reply, drive = await duel(chat())
        script(rooms.second)
        assert rooms.seats() == 1
        GOOD(rooms.first)
        await over(rooms, drive)
        assert (reply.status, reply.header("x-weighbridge-provider")) == (200, "p")
        assert [(number, kind, provider) for number, kind, provider, *_ in rooms.tries] == [
            (1, "first", "p"),
            (2, "hedge", "q"),
        ]

    run(test)


def test_when_both_fail_the_call_goes_on_as_any_other():
    async def test() -> None:
        third = msgspec.structs.replace(PROVIDER, provider="r", base_url="http://r.example/v1")
        rooms, reply, drive = await duel(chat(), fallback=third)
        BUSY(rooms.second)
        BUSY(rooms.first)
        await settled(lambda: len(rooms.wires) == 3)
        GOOD(rooms.wires[2].sink)
        await over(rooms, drive)
        assert (reply.status, reply.header("x-weighbridge-attempts")) == (200, "3")
        assert [each[:3] for each in rooms.tries] == [(1, "first", "p"), (2, "hedge", "q"), (3, "fallback", "r")]

    run(test)


def test_what_is_the_requests_own_fault_is_told_at_once():
    async def test() -> None:
        rooms, reply, drive = await duel(chat())
        whole(b'{"error":{"message":"bad"}}', 400)(rooms.first)
        await over(rooms, drive)
        assert reply.status == 400
        assert rooms.log.count("cancel") == 1
        assert rooms.tries == [(1, "first", "p", 400, "upstream_error"), (2, "hedge", "q", 0, OUTRUN)]

    run(test)


def test_nobody_else_is_asked_once_the_first_byte_has_come():
    async def test() -> None:
        rooms = Duel()
        await rooms.earn(chat("hello", max_tokens=10))
        reply = await alone(rooms, STREAM, *WORDS)
        assert reply.header("x-weighbridge-attempts") == "1"

    run(test)


def test_nobody_else_is_asked_while_that_may_not_be_paid():
    async def test() -> None:
        await alone(Duel(), chat())

    run(test)


def test_nobody_else_is_asked_where_nobody_else_is_well():
    async def test() -> None:
        rooms = Duel()
        await rooms.earn(chat("hello", max_tokens=10))
        health = rooms.health("q")
        for _ in range(3):
            health.begin(rooms.healths.now_s())
            health.fail(rooms.healths.now_s(), "5xx", None, 0.1)
        await alone(rooms, chat())

    run(test)


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [{"type": "mcp", "server_label": "x", "server_url": "http://x"}]},
        {"mcp_servers": []},
    ],
)
def test_what_a_provider_does_elsewhere_is_not_done_twice(more: dict[str, Any]):
    async def test() -> None:
        rooms = Duel()
        await rooms.earn(chat("hello", max_tokens=10))
        await alone(rooms, chat("hello", **more))

    run(test)


def test_answers_in_the_background_are_not_begun_twice():
    async def test() -> None:
        rooms = Duel()
        await rooms.earn(chat("hello", max_tokens=10))
        asked = json_incoming("/v1/responses", {"model": "m", "input": "hello", "background": True})
        asked.received_ns = 1_000_000_000
        reply = ListReply(rooms.log)
        drive = rooms.begin(asked, reply)
        until = rooms.loop.time() + 0.02
        await settled(lambda: rooms.loop.time() > until)
        assert len(rooms.wires) == 1
        whole(b'{"id":"resp_1","object":"response","status":"queued"}')(rooms.first)
        await over(rooms, drive)
        assert reply.status == 200

    run(test)


def test_one_candidate_and_a_fallback_are_two():
    async def test() -> None:
        rooms = Duel(to=(PROVIDER,), fallback=OTHER)
        await rooms.earn(chat("hello", max_tokens=10))
        drive = await rooms.both(STREAM, ListReply(rooms.log))
        stream(*WORDS)(rooms.second)
        await over(rooms, drive)
        assert rooms.record.provider == "q"

    run(test)


def test_a_client_that_leaves_stops_both():
    async def test() -> None:
        rooms, reply, drive = await duel(STREAM)
        reply.gone = True
        drive.cancel()
        await over(rooms, drive)
        assert rooms.log.count("cancel") == 2
        assert rooms.tries == [(1, "first", "p", 0, "client_closed"), (2, "hedge", "q", 0, "client_closed")]
        assert rooms.record.error_code == "client_closed"

    run(test)


def test_a_client_that_leaves_in_the_middle_pays_for_what_came():
    async def test() -> None:
        rooms, reply, drive = await duel(STREAM)
        rooms.second.on_head(200, dict(EVENTS))
        rooms.second.on_data(event("some words"))
        reply.gone = True
        drive.cancel()
        await over(rooms, drive)
        assert rooms.log.count("cancel") == 2
        record = rooms.record
        assert (record.error_code, record.usage_source, record.provider) == ("client_closed", "estimated", "q")
        assert record.output_tokens
        assert [each[4] for each in rooms.tries] == [OUTRUN, "client_closed"]

    run(test)


def test_a_client_that_leaves_after_the_first_has_failed_stops_the_second():
    async def test() -> None:
        rooms, reply, drive = await duel(STREAM)
        BUSY(rooms.first)
        reply.gone = True
        drive.cancel()
        await over(rooms, drive)
        assert [each[4] for each in rooms.tries] == ["upstream_error", "client_closed"]

    run(test)


def test_how_long_calls_wait_is_learned_and_late_is_what_few_are():
    async def test() -> None:
        rooms = Duel(RoutePolicy(hedge=HedgeRule(quantile=0.95, max_extra_cost=1.0)))
        for _ in range(80):
            reply = ListReply(rooms.log)
            drive = rooms.begin(STREAM, reply)
            await settled(lambda: bool(rooms.wires))
            rooms.clock.advance(0.003)
            stream(*WORDS)(rooms.first)
            await drive.wait()
            rooms.wires.clear()
        assert rooms.health("p").first_bytes(stream=True).within_s(0.95) == pytest.approx(0.003, rel=0.1)
        rooms.records.clear()
        rooms.log.clear()
        asked = chat("x", max_tokens=1, stream=True)
        drive = await rooms.both(asked, ListReply(rooms.log))
        rooms.clock.advance(0.05)
        stream(*WORDS)(rooms.second)
        await over(rooms, drive)
        # Whoever was stopped would have taken longer: that is news, too.
        loser = rooms.health(rooms.record.attempts[0].provider)
        assert loser.first_bytes(stream=True).within_s(0.999) is not None
        assert loser.ttft.read(rooms.healths.now_s()) >= 0.05

    run(test)


def test_a_bug_on_the_way_to_the_second_is_no_silence():
    async def test() -> None:
        rooms = Duel()
        await rooms.earn(chat("hello", max_tokens=10))
        reply = ListReply(rooms.log)
        drive = rooms.begin(chat(), reply)
        await settled(lambda: bool(rooms.wires))

        def broken(*_: Any, **__: Any) -> Any:
            raise ZeroDivisionError

        rooms.pipeline.dispatcher.start = broken
        await settled(lambda: bool(rooms.bugs))
        assert isinstance(rooms.bugs[0], ZeroDivisionError)
        assert rooms.log.count("cancel") == 1
        assert rooms.seats() == 0
        del drive

    run(test)


@pytest.mark.parametrize("which", ["first", "second"])
def test_whoever_has_the_stream_is_counted_and_ends_with_the_budget(which: str):
    async def test() -> None:
        # The calls that have earned a second try are counted too.
        earned = 2 * (RICH["prompt_tokens"] + RICH["completion_tokens"])
        limit = LimitRule(scope="key", tokens=(earned + 2000, 60), on_exhausted="end")
        rooms, reply, drive = await duel(STREAM, limits=(limit,))
        winner = getattr(rooms, which)
        winner.on_head(200, dict(EVENTS))
        for _ in range(4000):
            winner.on_data(event("word "))
            if winner.ended_ns:
                break
        await over(rooms, drive)
        assert b'"finish_reason":"length"' in reply.body
        record = rooms.record
        assert (record.status, record.error_code) == (200, "budget_exceeded")
        used = (record.input_tokens or 0) + (record.output_tokens or 0)
        assert 2000 - STEP_TOKENS - 100 < used <= 2001

    run(test)
