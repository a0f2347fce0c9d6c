"""A kept answer given in few steps is the one that would have been given in many, and so is its record."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest

from gateway.core.cache_rules import CacheRules
from gateway.core.cached import Selector
from gateway.core.exchange import Incoming
from gateway.core.record import ExchangeRecord
from tests.support.rooms import USAGE, Rooms, answer, chat, rule, run, whole
from tests.support.sinks import ListReply

BODY = answer(usage=USAGE, id="chatcmpl-123456", created=1_600_000_000)


async def given_twice(asked: Incoming, **rooms: Any) -> tuple[ListReply, ExchangeRecord, Rooms]:
    """Ask, and ask again; gives what came the second time."""
    made = Rooms(whole(rooms.pop("body", BODY)), *rooms.pop("rules", ()), cache=CacheRules(), **rooms)
    await made.serve(asked)
    reply = await made.serve(chat())
    assert len(made.wires) == 1
    return reply, made.records[1], made


def test_few_steps_come_to_the_same_as_many():
    async def test() -> None:
        reply, record, rooms = await given_twice(chat(), leases=False)
        # A call that holds something goes the long way.
        slow, slowly, _ = await given_twice(chat(), leases=True)
        assert "void" not in rooms.log
        for name in ("cache", "verdict", "provider", "model", "attempts", "policy", "cost-usd"):
            assert reply.header(f"x-weighbridge-{name}") == slow.header(f"x-weighbridge-{name}")
        told, slow_told = orjson.loads(reply.body), orjson.loads(slow.body)
        assert told["id"] == f"chatcmpl-{record.id}"
        assert {**told, "id": ""} == {**slow_told, "id": ""}
        assert record.bytes_out == len(reply.body)
        assert (record.cached[0].origin, slowly.cached[0].origin) == (rooms.records[0].id, "id-1")
        own = {"id": "", "cached": [], "bytes_out": 0}
        assert msgspec.structs.replace(record, **own) == msgspec.structs.replace(slowly, **own)
        assert rooms.log[-3:] == ["filed", "counted", "send"]
        assert rooms.answers is not None
        assert rooms.answers.counts.results == {"miss": 1, "stored": 1, "hit_exact": 1}
        assert rooms.answers.counts.saved_nanousd == 18_000

    run(test)


@pytest.mark.parametrize(
    "other",
    [
        chat("other"),
        chat(stream=True),
        chat(store=True),
    ],
)
def test_another_request_is_not_given_it(other: Incoming):
    async def test() -> None:
        _, _, rooms = await given_twice(chat(), leases=False)
        await rooms.serve(other)
        assert rooms.records[-1].cache in {"miss", "off"}

    run(test)


def test_what_is_forgotten_or_too_old_is_not_given():
    async def test() -> None:
        _, _, rooms = await given_twice(chat(), leases=False)
        assert rooms.answers is not None
        await rooms.answers.store.drop(Selector(everything=True), dry_run=False)
        await rooms.serve(chat())
        rooms.clock.advance(3600)
        await rooms.serve(chat())
        assert [each.cache for each in rooms.records] == ["miss", "hit-exact", "miss", "miss"]

    run(test)


def test_rules_are_asked_where_there_are_any():
    async def test() -> None:
        rules, body = (rule("osprey", "annotate", "response"),), answer("an osprey", usage=USAGE)
        reply, record, _ = await given_twice(chat(), leases=False, rules=rules, body=body)
        assert (record.cache, record.verdict, len(record.guard_events)) == ("hit-exact", "annotate", 1)
        assert reply.header("x-weighbridge-verdict") == "annotate"

    run(test)


def test_what_a_client_wishes_is_heard():
    async def test() -> None:
        _, _, rooms = await given_twice(chat(), leases=False)
        asked = chat()
        asked.headers[b"x-weighbridge-cache"] = b"off"
        await rooms.serve(asked)
        assert rooms.records[-1].cache == "off"

    run(test)
