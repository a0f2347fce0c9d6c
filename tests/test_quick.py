"""A kept answer given in few steps is the one that would have been given in many, and so is its record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from gateway.answering import Answers
from gateway.cache.memory import MemoryAnswers
from gateway.cache.relaying import Relaying
from gateway.core.cache_rules import CacheRules, ExactRule
from gateway.core.cache_told import CacheCounts
from gateway.core.cached import CachedAnswer, Selector
from gateway.core.exchange import Incoming
from gateway.core.limits import LimitRule
from gateway.core.record import ExchangeRecord
from tests.support.incoming import json_incoming
from tests.support.rooms import USAGE, Rooms, answer, chat, rule, run, stream, whole
from tests.support.sinks import ListReply
from tests.test_answering import BODY, STREAM, STREAMED
from tests.test_course import with_courses


async def given_twice(asked: Incoming, **rooms: Any) -> tuple[ListReply, ExchangeRecord, Rooms]:
    """Ask, and ask again; gives what came the second time."""
    made = Rooms(whole(rooms.pop("body", BODY)), *rooms.pop("rules", ()), cache=CacheRules(), **rooms)
    await made.serve(asked)
    reply = await made.serve(chat())
    assert len(made.wires) == 1
    return reply, made.records[1], made


SEEN = rule("falcon", "annotate", "response")

LIMIT = LimitRule(scope="provider", requests=(100, 3600.0))
# One call's own, or how far the limits are used by then.
OWN_LINES = (b"x-weighbridge-id", b"x-weighbridge-overhead-ms", b"x-ratelimit-remaining", b"x-ratelimit-reset")
CLAUDE = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}


def labelled() -> Incoming:
    asked = chat()
    asked.headers[b"x-weighbridge-session"] = b"s-1"
    return asked


def claude() -> Incoming:
    return json_incoming("/v1/messages", CLAUDE)


KINDS: dict[str, tuple[Callable[[], Incoming], Any, dict[str, Any]]] = {
    "plain": (chat, whole(BODY), {}),
    "limited": (chat, whole(BODY), {"limits": (LIMIT,)}),
    "labelled": (labelled, whole(BODY), {}),
    "stream": (lambda: chat(**STREAMED), stream(*STREAM), {}),
    "stream without usage": (lambda: chat(stream=True), stream(*STREAM), {}),
    "other dialect": (claude, whole(BODY), {}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_few_steps_come_to_the_same_as_many(kind: str):
    async def test() -> None:
        asked, script, more = KINDS[kind]
        more = {"leases": False, "cache": CacheRules(), **more}
        plain, ruled = Rooms(script, **more), Rooms(script, SEEN, **more)
        # Rules have to look at an answer before nothing more is to be said of it: the second call goes the long way.
        given = [(rooms, await rooms.serve(asked())) for rooms in (plain, plain, ruled, ruled, ruled)]
        assert (len(plain.wires), len(ruled.wires)) == (1, 1)
        (_, slow), others = given[3], (given[1], given[4])
        slowly = ruled.records[1]
        for rooms, reply in others:
            record = rooms.records[-1]
            assert _own_left_out(reply, record) == _own_left_out(slow, slowly)
            assert record.bytes_out == len(reply.body) > 0
            assert (record.cached[0].origin, record.cached[0].saved_nanousd) == (rooms.records[0].id, 18_000)
            assert rooms.log[-1] == {True: "finish", False: "send"}[record.stream]
        assert plain.answers is not None
        assert plain.answers.counts.results == {"miss": 1, "stored": 1, "hit_exact": 1}
        assert plain.answers.counts.saved_nanousd == 18_000

    run(test)


def _own_left_out(reply: ListReply, record: ExchangeRecord) -> tuple[Any, ...]:
    """All that a client and the record are told, but for what is one call's own."""
    body = reply.body.replace(record.id.replace("-", "").encode(), b"")
    own = {"id": "", "cached": [], "bytes_out": 0, "duration_ms": 0.0, "overhead_ms": 0.0, "ttft_ms": None}
    lines = sorted(line for line in reply.headers.split(b"\r\n") if not line.startswith(OWN_LINES))
    return body, lines, msgspec.structs.replace(record, **own), record.ttft_ms is None


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


def test_what_rules_find_in_an_answer_they_find_each_time():
    async def test() -> None:
        rooms = Rooms(
            whole(answer("an osprey", usage=USAGE)), rule("osprey", "annotate", "response"), cache=CacheRules()
        )
        for _ in range(4):
            await rooms.serve(chat())
        assert [len(each.guard_events) for each in rooms.records] == [1, 1, 1, 1]
        assert [each.cache for each in rooms.records] == ["miss", *["hit-exact"] * 3]

    run(test)


class _Lasting(MemoryAnswers):
    """Keeps answers for longer than their own questions may have them, for questions that are alike."""

    async def put(self, answer: CachedAnswer, vector: bytes = b"") -> None:
        await super().put(msgspec.structs.replace(answer, expires_s=answer.expires_s + 86_400), vector)


def test_an_answer_that_is_kept_for_others_is_none_to_its_own_question_any_more():
    async def test() -> None:
        rooms, rules = Rooms(whole(BODY), leases=False), CacheRules(exact=ExactRule(ttl_s=100))
        clock = rooms.clock
        store = _Lasting(rules.store, lambda: clock.unix_us() // 1_000_000, clock.monotonic_ns)
        relaying = Relaying(None, clock)
        answers = Answers(rules, store, lambda: clock.unix_us() // 1_000_000, CacheCounts(), relaying=relaying)
        with_courses(rooms, ways=answers)
        for passing_s in (0, 60, 60):
            clock.advance(passing_s)
            await rooms.serve(chat())
        assert [each.cache for each in rooms.records] == ["miss", "hit-exact", "miss"]
        assert await store.drop(Selector(everything=True), dry_run=True) == 1

    run(test)


def test_what_a_client_wishes_is_heard():
    async def test() -> None:
        _, _, rooms = await given_twice(chat(), leases=False)
        asked = chat()
        asked.headers[b"x-weighbridge-cache"] = b"off"
        await rooms.serve(asked)
        assert rooms.records[-1].cache == "off"

    run(test)
