"""A stream that one of two deployments won, and that is cut then: who goes on with it, and what all of them cost."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.core.errors import StreamBroken
from gateway.core.exchange import ContinueRule, RoutePolicy
from gateway.core.limits import LimitRule
from gateway.hedging import OUTRUN
from tests.support.cut_streams import read, text_of
from tests.support.duel import OTHER, SOON, Duel, duel, over, settled
from tests.support.rooms import DONE, EVENTS, PROVIDER, chat, event, rule, run, stream
from tests.support.sinks import ListReply

STREAM = chat("hello", stream=True)
BOTH = RoutePolicy(hedge=SOON, continues=ContinueRule())
# The same prices for all.
AT_Q = msgspec.structs.replace(PROVIDER, base_url="http://q.example/v1")
AT_R = msgspec.structs.replace(PROVIDER, base_url="http://r.example/v1")
CUT = StreamBroken("cut")
BEGINNING = (event("Once upon a time "), CUT)
USED = {"prompt_tokens": 30, "completion_tokens": 9, "total_tokens": 39}
REST = stream(event("Once upon a time "), event("there was."), event(), event(usage=USED), DONE)


async def cut(winner: int, *rules: Any, **more: Any) -> tuple[Duel, Any, Any]:
    """Both are asked, one begins, and is cut."""
    rooms, reply, drive = await duel(STREAM, *rules, policy=BOTH, **more)
    stream(*BEGINNING)(rooms.wires[winner].sink)
    await settled(lambda: len(rooms.wires) == 3)
    return rooms, reply, drive


def host(rooms: Duel) -> str:
    return rooms.hosts[2]


async def answered(rooms: Duel) -> None:
    """Serve another call."""
    rooms.wires.clear()
    rooms.records.clear()
    rooms.log.clear()
    drive = rooms.begin(STREAM, ListReply(rooms.log))
    await settled(lambda: bool(rooms.wires))
    REST(rooms.first)
    await over(rooms, drive)
    assert rooms.record.status == 200


@pytest.mark.parametrize("winner", [0, 1])
def test_a_third_goes_on_and_all_are_on_the_record(winner: int):
    async def test() -> None:
        rooms, reply, drive = await cut(winner, to=(PROVIDER, AT_Q, AT_R))
        assert host(rooms) == "r"
        assert rooms.seats() == 1
        REST(rooms.wires[2].sink)
        await over(rooms, drive)
        assert text_of(read("openai_chat", reply.body)) == "Once upon a time there was."
        record = rooms.record
        assert [each.kind for each in record.attempts] == ["first", "hedge", "continue"]
        codes = [each.error_code for each in record.attempts]
        assert codes == (["upstream_error", OUTRUN, ""] if winner == 0 else [OUTRUN, "upstream_error", ""])
        lost, begun, rest = record.attempts[1 - winner], record.attempts[winner], record.attempts[2]
        # Whoever was not waited for was asked what the beginning was asked, once.
        assert (lost.input_tokens, lost.output_tokens) == (begun.input_tokens, 0)
        assert (rest.input_tokens, rest.output_tokens) == (30, 9)
        assert (record.input_tokens, record.output_tokens) == (
            (begun.input_tokens or 0) + 30,
            (begun.output_tokens or 0) + 9,
        )
        assert record.usage_source == "estimated"
        costs = [each.cost_nanousd or 0 for each in record.attempts]
        assert all(costs)
        assert record.cost_nanousd == sum(costs)
        # Limits are charged for what was used in vain too.
        charged = (record.input_tokens or 0) + (lost.input_tokens or 0)
        assert rooms.log.count(f"settle {charged}+{record.output_tokens}") == 1

    run(test)


def test_who_was_only_too_slow_goes_on_where_there_is_no_third():
    async def test() -> None:
        rooms, reply, drive = await cut(1)
        assert host(rooms) == "p"
        REST(rooms.wires[2].sink)
        await over(rooms, drive)
        assert reply.body.endswith(DONE)
        assert rooms.tries == [
            (1, "first", "p", 0, OUTRUN),
            (2, "hedge", "q", 200, "upstream_error"),
            (3, "continue", "p", 200, ""),
        ]
        rooms, _, drive = await cut(0)
        assert host(rooms) == "q"
        REST(rooms.wires[2].sink)
        await over(rooms, drive)

    run(test)


def test_who_was_too_slow_and_is_left_alone_does_not_go_on():
    async def test() -> None:
        rooms, reply, drive = await duel(STREAM, policy=BOTH)
        rooms.second.on_head(200, dict(EVENTS))
        rooms.second.on_data(BEGINNING[0])
        ill = rooms.health("p")
        for _ in range(3):
            ill.begin(rooms.healths.now_s())
            ill.fail(rooms.healths.now_s(), "5xx", None, 0.1)
        rooms.second.on_fail(CUT)
        await settled(lambda: len(rooms.wires) == 3)
        # Who cut it is asked once more.
        assert host(rooms) == "q"
        REST(rooms.wires[2].sink)
        await over(rooms, drive)
        assert reply.body.endswith(DONE)

    run(test)


def test_when_nobody_goes_on_all_that_was_used_is_paid():
    async def test() -> None:
        rooms, reply, drive = await duel(STREAM, policy=BOTH, to=(PROVIDER, AT_Q))
        rooms.second.on_head(200, dict(EVENTS))
        rooms.second.on_data(BEGINNING[0])
        for each in rooms.healths.known().values():
            for _ in range(3):
                each.begin(rooms.healths.now_s())
                each.fail(rooms.healths.now_s(), "5xx", None, 0.1)
        rooms.second.on_fail(CUT)
        await over(rooms, drive)
        assert b'"error"' in reply.body
        lost, begun = rooms.record.attempts
        assert lost.input_tokens == begun.input_tokens
        assert rooms.record.cost_nanousd == (lost.cost_nanousd or 0) + (begun.cost_nanousd or 0) > 0

    run(test)


def test_limits_of_all_three_providers_are_let_go():
    async def test() -> None:
        third = msgspec.structs.replace(PROVIDER, provider="r", base_url="http://r.example/v1")
        limits = (LimitRule(scope="provider", concurrency=1),)
        for winner in (0, 1):
            rooms, _, drive = await cut(winner, to=(PROVIDER, OTHER, third), limits=limits)
            REST(rooms.wires[2].sink)
            await over(rooms, drive)
            for _ in range(3):
                # Each has its only seat back.
                await answered(rooms)

    run(test)


def test_a_rule_sees_one_text_over_both_parts_of_the_winner():
    async def test() -> None:
        ospreys = rule("osprey", "redact", "response")
        rooms, reply, drive = await duel(STREAM, ospreys, policy=BOTH, to=(PROVIDER, AT_Q, AT_R))
        stream(event("Here is an osp"), CUT)(rooms.second)
        await settled(lambda: len(rooms.wires) == 3)
        stream(event("Here is an osp"), event("rey."), event(), DONE)(rooms.wires[2].sink)
        await over(rooms, drive)
        text = text_of(read("openai_chat", reply.body))
        assert "osprey" not in text
        assert "OSPREY" in text
        assert [each.rule for each in rooms.record.guard_events] == ["redact-osprey"]

    run(test)
