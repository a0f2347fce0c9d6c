"""Calls whose answers are kept: what the next one is given, what of it is new, and what is never kept."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest

from gateway.answering import Miss
from gateway.core.cache_rules import CacheRules, ExactRule
from gateway.core.cached import CachedAnswer, Served
from gateway.core.errors import StreamBroken
from gateway.core.exchange import Incoming
from gateway.core.limits import LimitRule
from tests.support.incoming import json_incoming
from tests.support.rooms import DONE, USAGE, Rooms, answer, chat, event, rule, run, stream, whole
from tests.support.sinks import ListReply

RULES = CacheRules()
BODY = answer(usage=USAGE, id="chatcmpl-123456", created=1_600_000_000)
STREAM = (
    event("hi ", id="chatcmpl-123456"),
    event("there", id="chatcmpl-123456"),
    event(id="chatcmpl-123456"),
    event(usage=USAGE, id="chatcmpl-123456"),
    DONE,
)
STREAMED: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}


def asking(asked: Incoming, **headers: str) -> Incoming:
    asked.headers |= {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return asked


async def both(rooms: Rooms, first: Incoming, second: Incoming) -> tuple[ListReply, ListReply]:
    return await rooms.serve(first), await rooms.serve(second)


# --- what is given again


def test_the_same_question_is_asked_once_and_costs_nothing_the_second_time():
    async def test() -> None:
        rooms = Rooms(whole(BODY), cache=RULES)
        first, second = await both(rooms, chat(), chat())
        assert len(rooms.wires) == 1
        assert (first.header("x-weighbridge-cache"), second.header("x-weighbridge-cache")) == ("miss", "hit-exact")
        made, given = orjson.loads(first.body), orjson.loads(second.body)
        assert given["id"] not in {made["id"], ""}
        assert given["id"].startswith("chatcmpl-")
        assert given["created"] == rooms.clock.unix_ms() // 1000
        assert {**given, "id": "", "created": 0} == {**made, "id": "", "created": 0}
        miss, hit = rooms.records
        assert (miss.cache, miss.cost_nanousd, miss.cached) == ("miss", 18_000, [])
        assert (hit.cache, hit.cost_nanousd, hit.input_tokens, hit.output_tokens) == ("hit-exact", 0, 0, 0)
        assert (hit.attempts, hit.status, hit.finish_reason, hit.model_served) == ([], 200, "stop", "m-1")
        assert (hit.cached[0].origin, hit.cached[0].saved_nanousd) == (miss.id, 18_000)
        assert second.header("x-weighbridge-attempts") == "0"
        assert second.header("x-weighbridge-cost-usd") == "0"
        assert rooms.log[-4:] == ["void", "filed", "counted", "send"]

    run(test)


def test_a_stream_is_told_again_as_the_stream_that_it_was():
    async def test() -> None:
        rooms = Rooms(stream(*STREAM), cache=RULES)
        first, second = await both(rooms, chat(**STREAMED), chat(**STREAMED))
        assert len(rooms.wires) == 1
        new = rooms.records[1].id.replace("-", "")
        assert second.body == first.body.replace(b"chatcmpl-123456", b"chatcmpl-" + new.encode())
        assert second.header("x-weighbridge-cache") == "hit-exact"
        assert (rooms.records[1].chunks, rooms.records[1].finish_reason) == (rooms.records[0].chunks, "stop")

    run(test)


def test_a_whole_answer_is_none_to_who_wants_a_stream():
    async def test() -> None:
        rooms = Rooms(whole(BODY), cache=RULES)
        await both(rooms, chat(), chat(stream=True))
        assert [each.cache for each in rooms.records] == ["miss", "miss"]

    run(test)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"user": "ann", "metadata": {"a": "b"}}, {"user": "bob"}),
        ({"n": 1, "presence_penalty": 0, "response_format": {"type": "text"}}, {}),
        ({"prompt_cache_key": "x", "service_tier": "flex"}, {"parallel_tool_calls": True}),
        (
            {"messages": [{"role": "user", "content": "q"}]},
            {"messages": [{"content": [{"type": "text", "text": "q"}], "role": "user"}]},
        ),
    ],
)
def test_what_no_model_sees_does_not_matter(first: dict[str, Any], second: dict[str, Any]):
    async def test() -> None:
        rooms = Rooms(whole(BODY), cache=RULES)
        await both(rooms, chat(**first), chat(**second))
        assert [each.cache for each in rooms.records] == ["miss", "hit-exact"]

    run(test)


def test_a_client_of_another_dialect_is_given_the_same_answer():
    async def test() -> None:
        rooms = Rooms(whole(BODY), cache=RULES)
        asked = {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]}
        await rooms.serve(chat(max_tokens=50))
        reply = await rooms.serve(json_incoming("/v1/messages", asked))
        told = orjson.loads(reply.body)
        assert (told["type"], [each["text"] for each in told["content"]]) == ("message", ["hi there"])
        assert (told["usage"]["input_tokens"], told["usage"]["output_tokens"]) == (10, 4)
        assert reply.header("x-weighbridge-cache") == "hit-exact"
        assert len(rooms.wires) == 1

    run(test)


def test_a_stream_is_told_again_in_another_dialect():
    async def test() -> None:
        rooms = Rooms(stream(*STREAM), cache=RULES)
        asked = {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}], "stream": True}
        await rooms.serve(chat(max_tokens=50, **STREAMED))
        reply = await rooms.serve(json_incoming("/v1/messages", asked))
        assert reply.header("x-weighbridge-cache") == "hit-exact"
        assert b'"text":"hi "' in reply.body
        assert reply.body.count(b"event: message_stop") == 1

    run(test)


# --- what is not


@pytest.mark.parametrize(
    "more",
    [
        {"store": True},
        {"tools": [{"type": "web_search"}]},
        {"web_search_options": {}},
        {"modalities": ["text", "audio"], "audio": {"voice": "a", "format": "wav"}},
        {"temperature": 0.9},
    ],
)
def test_what_is_no_question_whose_answer_is_kept(more: dict[str, Any]):
    async def test() -> None:
        rooms = Rooms(whole(BODY), cache=CacheRules(exact=ExactRule(max_temperature=0.5)))
        replies = await both(rooms, chat(**{"temperature": 0, **more}), chat(**{"temperature": 0, **more}))
        assert [each.cache for each in rooms.records] == ["off", "off"]
        assert [each.header("x-weighbridge-cache") for each in replies] == ["off", "off"]
        assert len(rooms.wires) == 2

    run(test)


@pytest.mark.parametrize(
    "script",
    [
        whole(answer(usage=USAGE), status=500),
        whole(answer(usage=USAGE, choices=[{"index": 0, "message": {}, "finish_reason": "content_filter"}])),
        whole(answer("x" * 1000)),
        stream(event("hi"), StreamBroken("cut")),
        stream(event("hi")),
    ],
    ids=["error", "filtered", "large", "cut", "unended"],
)
def test_an_answer_that_is_none_is_not_kept(script: Any):
    async def test() -> None:
        rooms = Rooms(script, cache=CacheRules(exact=ExactRule(max_bytes=500)))
        for _ in range(2):
            asked = {} if script.__qualname__.startswith("whole") else STREAMED
            await rooms.serve(chat(**asked))
        assert [each.cache for each in rooms.records] == ["miss", "miss"]
        assert rooms.answers is not None
        assert rooms.answers.store.counts()["entries"] == 0

    run(test)


def test_a_client_may_say_that_it_wants_none_or_a_new_one():
    async def test() -> None:
        rooms = Rooms(whole(BODY), cache=RULES)
        await rooms.serve(asking(chat(), x_weighbridge_cache="off"))
        await rooms.serve(chat())
        await rooms.serve(asking(chat(), x_weighbridge_cache="off"))
        await rooms.serve(asking(chat(), x_weighbridge_cache="refresh"))
        await rooms.serve(chat())
        assert [each.cache for each in rooms.records] == ["off", "miss", "off", "miss", "hit-exact"]
        assert rooms.records[4].cached[0].origin == rooms.records[3].id

    run(test)


def test_an_answer_is_one_for_its_time():
    async def test() -> None:
        rooms = Rooms(whole(BODY), cache=CacheRules(exact=ExactRule(ttl_s=60)))
        await rooms.serve(chat())
        rooms.clock.advance(59)
        await rooms.serve(chat())
        rooms.clock.advance(1)
        await rooms.serve(chat())
        assert [each.cache for each in rooms.records] == ["miss", "hit-exact", "miss"]
        assert rooms.records[1].cached[0].age_s == 59

    run(test)


# --- rules


def test_rules_look_at_an_answer_that_is_given_again():
    async def test() -> None:
        rooms = Rooms(whole(answer("an osprey", usage=USAGE)), rule("osprey", "annotate", "response"), cache=RULES)
        await both(rooms, chat(), chat())
        assert [(each.cache, each.verdict) for each in rooms.records] == [
            ("miss", "annotate"),
            ("hit-exact", "annotate"),
        ]
        assert [len(each.guard_events) for each in rooms.records] == [1, 1]

    run(test)


@pytest.mark.parametrize("action", ["block", "redact"])
@pytest.mark.parametrize("more", [{}, STREAMED])
def test_an_answer_that_a_rule_changes_is_not_kept(action: str, more: dict[str, Any]):
    async def test() -> None:
        script = stream(event("an osprey here"), event(), DONE) if more else whole(answer("an osprey", usage=USAGE))
        rooms = Rooms(script, rule("osprey", action, "response"), cache=RULES)
        await both(rooms, chat(**more), chat(**more))
        assert [each.cache for each in rooms.records] == ["miss", "miss"]

    run(test)


class Watching:
    """Neighbours that find what they are told to, and keep what they are given."""

    def __init__(self, served: Served | None = None) -> None:
        self.served = served
        self.found: list[Miss] = []
        self.kept: list[CachedAnswer | None] = []
        self.gave: list[Miss] = []

    async def find(self, miss: Miss) -> Served | None:
        self.found.append(miss)
        return self.served

    def given(self, miss: Miss) -> None:
        self.gave.append(miss)

    def over(self, miss: Miss, answer: CachedAnswer | None) -> None:
        assert miss is self.found[-1]
        self.kept.append(answer)

    async def close(self) -> None:
        return


async def kept_of(script: Any, asked: Incoming) -> CachedAnswer:
    """What is kept of an answer where no rule looks at it."""
    rooms, watching = Rooms(script, cache=RULES), Watching()
    assert rooms.answers is not None
    rooms.answers.neighbours = watching
    await rooms.serve(asked)
    assert watching.found[0].question.chat is not None
    (answer,) = watching.kept
    assert answer is not None
    return answer


def test_an_answer_that_a_rule_turns_back_later_is_forgotten():
    async def test() -> None:
        poisoned = await kept_of(whole(answer("an osprey", usage=USAGE)), chat())
        rooms = Rooms(None, rule("osprey", "block", "response"), cache=RULES)
        assert rooms.answers is not None
        store = rooms.answers.store
        await store.put(poisoned)
        reply = await rooms.serve(chat())
        assert reply.status == 400
        assert (rooms.record.cache, rooms.record.verdict, rooms.record.cost_nanousd) == ("hit-exact", "block", 0)
        assert await store.get(poisoned.key) is None

    run(test)


def test_an_answer_of_other_rules_is_none():
    async def test() -> None:
        kept = await kept_of(whole(BODY), chat())
        rooms = Rooms(whole(BODY), cache=RULES)
        assert rooms.answers is not None
        await rooms.answers.store.put(msgspec.structs.replace(kept, policy_revision="other"))
        await rooms.serve(chat())
        assert rooms.record.cache == "miss"

    run(test)


def test_an_answer_that_cannot_be_read_is_asked_for_again():
    async def test() -> None:
        kept = await kept_of(stream(*STREAM), chat(**STREAMED))
        rooms = Rooms(stream(*STREAM), cache=RULES)
        assert rooms.answers is not None
        await rooms.answers.store.put(msgspec.structs.replace(kept, body=b"data: {\n\n"))
        reply = await rooms.serve(chat(**STREAMED))
        assert (reply.body, rooms.record.cache, rooms.record.cost_nanousd) == (b"".join(STREAM), "miss", 18_000)
        assert [each.status for each in rooms.record.attempts] == [200]

    run(test)


def test_an_answer_to_a_question_like_it_is_given_and_says_so():
    async def test() -> None:
        kept = await kept_of(whole(BODY), chat("what is it"))
        rooms = Rooms(None, cache=RULES)
        assert rooms.answers is not None
        rooms.answers.neighbours = watching = Watching(
            Served(answer=kept, how="hit-semantic", similarity=0.97, chance=0.99)
        )
        reply = await rooms.serve(chat("what's it"))
        assert (reply.status, reply.header("x-weighbridge-cache")) == (200, "hit-semantic")
        assert (rooms.record.cached[0].similarity, rooms.record.cached[0].chance) == (0.97, 0.99)
        assert watching.kept == []

    run(test)


def test_what_rules_have_changed_in_a_request_is_what_counts():
    async def test() -> None:
        rooms = Rooms(whole(BODY), rule("osprey", "redact", "request"), cache=RULES)
        await both(rooms, chat("say osprey"), chat("say [OSPREY]"))
        assert [each.cache for each in rooms.records] == ["miss", "hit-exact"]

    run(test)


# --- limits


def test_a_hit_counts_as_a_request_and_as_nothing_else():
    async def test() -> None:
        limits = (
            LimitRule(scope="provider", requests=(2, 3600.0)),
            LimitRule(scope="provider", tokens=(10_000, 3600.0)),
        )
        rooms = Rooms(whole(BODY), cache=RULES, limits=limits)
        first, second = await both(rooms, chat(max_tokens=5), chat(max_tokens=5))
        third = await rooms.serve(chat(max_tokens=5))
        assert [each.status for each in (first, second, third)] == [200, 200, 429]
        assert second.header("x-ratelimit-remaining-requests") is not None
        assert [step for step in rooms.log if step in {"settle 10+4", "void"}] == ["settle 10+4", "void"]

    run(test)


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_is_refused_before_it_is_looked_up_is_no_miss(*, stream: bool):
    async def test() -> None:
        more = STREAMED if stream else {}
        rooms = Rooms(whole(BODY), rule("osprey", "block", "request"), cache=RULES)
        reply = await rooms.serve(chat("an osprey", **more))
        assert (reply.status, reply.header("x-weighbridge-cache"), rooms.record.cache) == (400, "off", "off")
        limited = Rooms(whole(BODY), cache=RULES, limits=(LimitRule(scope="provider", requests=(1, 60)),))
        await limited.serve(chat("other"))
        reply = await limited.serve(chat(**more))
        assert (reply.status, reply.header("x-weighbridge-cache")) == (429, "off")
        assert [each.cache for each in limited.records] == ["miss", "off"]
        # What fails after that was one.
        failing = Rooms(whole(BODY, status=500), cache=RULES)
        reply = await failing.serve(chat())
        assert (reply.header("x-weighbridge-cache"), failing.record.cache) == ("miss", "miss")

    run(test)
