"""Streams under limits, from the provider to the client: they hold more as they go on, and end where there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import orjson
import pytest

from gateway.accounting.stream_meter import STEP_TOKENS, StreamMeter
from gateway.core.call import Call
from gateway.core.limits import Budget, LimitRule, Period
from gateway.metered import LimitReached, MeteredAttempt
from gateway.upstream.attempt import Attempt
from gateway.wire import openai_chat
from gateway.wire.bedrock_converse.invoke import BedrockInvoke
from gateway.wire.bridge import KINDS, Kind
from gateway.wire.passthrough import DIALECT as PASSTHROUGH
from gateway.wire.triton.dialect import DIALECT as TRITON
from tests.support.incoming import json_incoming
from tests.support.rooms import (
    DONE,
    EVENTS,
    PROVIDER,
    USAGE,
    Rooms,
    answer,
    chat,
    event,
    filed_once_and_in_time,
    rule,
    run,
    stream,
    whole,
)
from tests.support.sinks import ListReply
from tests.support.streams import stream_request

FOREIGN = msgspec.structs.replace(PROVIDER, kind="foreign", model="real", credential=b"x-api-key: k\r\n")
MOST = 900
ENDS = LimitRule(scope="provider", tokens=(MOST, 60), on_exhausted="end")
FINISHES = LimitRule(scope="provider", tokens=(MOST, 60))
# In nano-dollars: 1000 a token in, 2000 a token out.
PAYS = LimitRule(scope="provider", budget=Budget(nanousd=MOST * 2000, per=Period(seconds=60.0)), on_exhausted="end")
WORDS = [event("word ") for _ in range(3 * MOST)]
USER = [{"role": "user", "content": "hello"}]
ASKED: dict[str, tuple[str, dict[str, Any], bytes]] = {
    "openai_chat": ("/v1/chat/completions", {"messages": USER}, b'"finish_reason":"length"'),
    "openai_responses": ("/v1/responses", {"input": "hello"}, b'"incomplete_details":{"reason":"max_output_tokens"}'),
    # A client that may have more than there is: what is held is cut to the limit.
    "anthropic_messages": ("/v1/messages", {"messages": USER, "max_tokens": 100_000}, b'"stop_reason":"max_tokens"'),
    "gemini": (
        "/v1beta/models/f:streamGenerateContent",
        {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]},
        b'"finishReason":"MAX_TOKENS"',
    ),
    "bedrock_converse": (
        "/model/f/converse-stream",
        {"messages": [{"role": "user", "content": [{"text": "hello"}]}]},
        b'"stopReason":"max_tokens"',
    ),
}


@pytest.fixture(autouse=True)
def _foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "foreign", Kind(frozenset(), "openai_chat"))


def ask(dialect: str) -> Any:
    path, document, _ = ASKED[dialect]
    named = {} if "/f" in path else {"model": "f", "stream": True}
    made = json_incoming(path, {**named, **document}, query="alt=sse" if dialect == "gemini" else "")
    made.received_ns = 1_000_000_000
    return made


@pytest.mark.parametrize("limit", [ENDS, PAYS], ids=["tokens", "money"])
@pytest.mark.parametrize("dialect", sorted(ASKED))
def test_a_stream_ends_as_one_that_reached_its_length(dialect: str, limit: LimitRule) -> None:
    async def test() -> None:
        rooms = Rooms(stream(*WORDS, event(), DONE), limits=(limit,), aliases={"f": FOREIGN})
        reply = await rooms.serve(ask(dialect))
        assert reply.status == 200
        assert ASKED[dialect][2] in reply.body
        assert reply.body.count(ASKED[dialect][2]) == 1
        assert "cancel" in rooms.log
        record = rooms.record
        assert (record.status, record.error_code, record.usage_source) == (200, "budget_exceeded", "estimated")
        used = (record.input_tokens or 0) + (record.output_tokens or 0)
        if limit is PAYS:
            used = (record.cost_nanousd or 0) // 2000
        # Never more than the limit and the piece in flight; at most a step less, and what the request was held for.
        assert MOST - STEP_TOKENS - 100 < used <= MOST + 1
        filed_once_and_in_time(rooms.log)

    run(test)


def test_completions_end_too() -> None:
    async def test() -> None:
        words = [b'data: {"id":"1","model":"m","choices":[{"index":0,"text":"word ","finish_reason":null}]}\n\n'] * 3000
        rooms = Rooms(stream(*words, DONE), limits=(ENDS,))
        asked = json_incoming("/v1/completions", {"model": "m", "prompt": "hello", "stream": True})
        reply = await rooms.serve(asked)
        assert reply.body.endswith(DONE)
        assert b'"finish_reason":"length"' in reply.body
        assert rooms.record.error_code == "budget_exceeded"

    run(test)


def test_a_stream_that_may_finish_goes_on_and_later_calls_wait() -> None:
    async def test() -> None:
        rooms = Rooms(
            stream(*WORDS, event(), event(usage={**USAGE, "completion_tokens": 2700}), DONE), limits=(FINISHES,)
        )
        reply = await rooms.serve(chat(stream=True))
        assert reply.body.count(b"word") == len(WORDS)
        assert (rooms.record.error_code, rooms.record.output_tokens) == ("", 2700)
        later = await rooms.serve(chat(stream=True))
        assert later.status == 429

    run(test)


def test_calls_beside_a_long_stream_are_admitted_by_what_it_really_holds() -> None:
    async def test() -> None:
        rooms = Rooms(None, limits=(msgspec.structs.replace(ENDS, tokens=(1800, 60)),))
        long, other = rooms.begin(chat(stream=True), ListReply(rooms.log)), ListReply()
        sink = rooms.wires[0].sink
        sink.on_head(200, dict(EVENTS))
        for word in WORDS[:900]:
            sink.on_data(word)
        # Its first reservation alone would leave room for two calls more.
        await rooms.begin(chat(max_tokens=700), other).wait()
        assert other.status == 429
        for piece in (event(usage=USAGE), DONE):
            sink.on_data(piece)
        sink.on_end()
        await long.wait()
        # What was held in steps is free again.
        after = rooms.begin(chat(max_tokens=700), ListReply())
        whole(answer(usage=USAGE))(rooms.wires[1].sink)
        await after.wait()
        assert [record.status for record in rooms.records] == [429, 200, 200]

    run(test)


def test_a_whole_answer_is_not_ended() -> None:
    async def test() -> None:
        rooms = Rooms(whole(answer("word " * 3000)), limits=(ENDS,))
        assert (await rooms.serve(chat())).status == 200

    run(test)


def metered(meter: StreamMeter, **more: Any) -> MeteredAttempt:
    request = stream_request(openai_chat.DIALECT)
    call = Call(json_incoming("/", {}), ListReply(), None, openai_chat.DIALECT, request)
    attempt = MeteredAttempt(meter, call, lambda _: b"", lambda: 1, **more)
    attempt.on_head(200, dict(EVENTS))
    return attempt


def refuse(tokens: int, nanousd: int, then: Callable[[bool], None]) -> None:
    assert (tokens >= STEP_TOKENS, nanousd) == (True, 0)
    then(False)


@pytest.mark.parametrize("gather", ["", "count", "watch", "hold"])
def test_only_what_is_judged_whole_goes_on(gather: Any) -> None:
    attempt = metered(StreamMeter(refuse, 3, 0, ends=True), gather=gather)
    for _ in range(5):
        attempt.on_data(event("a"))
    assert bool(attempt.ended_ns) is (gather != "hold")
    if gather != "hold":
        assert isinstance(attempt.over.error, LimitReached)
        assert attempt.reader is not None
        assert attempt.reader.facts.chunks == 3


def test_a_call_without_limits_makes_the_ordinary_try() -> None:
    async def test() -> None:
        for limits, kind in (((), Attempt), ((FINISHES,), MeteredAttempt)):
            rooms = Rooms(None, limits=limits)
            drive = rooms.begin(chat(stream=True), ListReply())
            assert type(rooms.wires[0].sink) is kind
            stream(event("a"), event(usage=USAGE), DONE)(rooms.wires[0].sink)
            await drive.wait()

    run(test)


def test_a_client_that_set_a_length_holds_it_whole_and_is_not_counted() -> None:
    async def test() -> None:
        rooms = Rooms(None, limits=(ENDS,))
        drive = rooms.begin(chat(stream=True, max_tokens=100), ListReply())
        assert type(rooms.wires[0].sink) is Attempt
        stream(event("a"), event(usage=USAGE), DONE)(rooms.wires[0].sink)
        await drive.wait()

    run(test)


def test_dialects_without_such_an_end_tell_of_an_error() -> None:
    opaque = BedrockInvoke(PASSTHROUGH, parses=False)
    for dialect in (TRITON, PASSTHROUGH, opaque):
        told = dialect.stream_limit(dialect.stream_reader(stream_request(openai_chat.DIALECT), None))
        assert b"used up" in told


def test_what_rules_hold_back_is_not_released_by_the_end() -> None:
    async def test() -> None:
        rooms = Rooms(
            stream(*WORDS, event(), DONE), rule("osprey", "redact", "response"), limits=(ENDS,), aliases={"f": FOREIGN}
        )
        reply = await rooms.serve(chat(stream=True))
        assert b'"finish_reason":"length"' in reply.body
        assert orjson.loads(reply.body.split(b"\n\n")[-3][6:])["choices"][0]["finish_reason"] == "length"
        assert rooms.record.error_code == "budget_exceeded"

    run(test)
