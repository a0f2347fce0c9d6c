"""One exchange whose provider speaks another dialect than its client: everything around it stays as it was.

Both ends speak chat here, so that what arrives can be told by the tests of chat; the way between them is the real one.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import orjson
import pytest

from gateway.core.errors import IdleTimeout
from gateway.core.exchange import Deployment
from gateway.wire.bridge import KINDS, Kind
from gateway.wire.openai_chat.merge import assemble
from tests.support.incoming import json_incoming
from tests.support.rooms import (
    DONE,
    EVENTS,
    JSON,
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

FOREIGN = msgspec.structs.replace(PROVIDER, kind="foreign", model="real", credential=b"x-api-key: k\r\n")
DROPS = msgspec.structs.replace(FOREIGN, on_unsupported="drop", model="gpt-4o")


@pytest.fixture(autouse=True)
def _foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "foreign", Kind(frozenset(), "openai_chat"))


def rooms_of(script: Any, *rules: Any, to: Deployment = FOREIGN, **more: Any) -> Rooms:
    return Rooms(script, *rules, aliases={"f": to}, **more)


def ask(text: str = "hello", **more: Any) -> Any:
    asked = chat(text, **{"model": "f", **more})
    asked.headers |= {b"openai-organization": b"o", b"user-agent": b"test/1", b"authorization": b"Bearer mine"}
    return asked


def sent(rooms: Rooms) -> tuple[bytes, dict[str, Any]]:
    head, _, body = rooms.wires[-1].sent.partition(b"\r\n\r\n")
    return head, orjson.loads(body)


def headers(reply: ListReply) -> dict[str, str]:
    lines = reply.headers.decode().split("\r\n")
    return {name: value for name, _, value in (line.partition(": ") for line in lines if line)}


def told(reply: ListReply) -> Any:
    return orjson.loads(reply.body)["choices"][0]["message"]["content"]


def test_a_call_crosses_and_is_weighed_recorded_and_answered():
    async def test() -> None:
        rooms = rooms_of(whole(answer(usage={**USAGE, "prompt_tokens_details": {"cached_tokens": 4}})), bodies="full")
        reply = await rooms.serve(ask())
        head, document = sent(rooms)
        assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
        assert b"\r\nx-api-key: k\r\n" in head + b"\r\n"
        assert b"user-agent: test/1" in head
        assert b"openai-organization" not in head
        assert b"authorization" not in head
        assert document == {"model": "real", "messages": [{"role": "user", "content": "hello"}]}
        assert (reply.status, told(reply)) == (200, "hi there")
        record = rooms.record
        assert (record.status, record.dialect, record.provider, record.model_served) == (200, "openai_chat", "p", "m-1")
        assert (record.input_tokens, record.output_tokens, record.cached_input_tokens) == (10, 4, 4)
        assert record.usage_source == "reported"
        assert orjson.loads(record.request_body or "")["model"] == "f"
        assert "hi there" in str(record.response_body)
        assert "x-weighbridge-dropped" not in headers(reply)
        filed_once_and_in_time(rooms.log)

    run(test)


def test_a_stream_crosses_and_is_weighed_recorded_and_answered():
    async def test() -> None:
        script = stream(event("all "), event("is well"), event(), event(usage=USAGE), DONE)
        rooms = rooms_of(script)
        reply = await rooms.serve(ask(stream=True))
        assert assemble([reply.body])["choices"][0]["message"]["content"] == "all is well"
        assert reply.body.endswith(DONE)
        # The client did not ask for usage.
        assert b"usage" not in reply.body
        assert sent(rooms)[1]["stream_options"] == {"include_usage": True}
        record = rooms.record
        assert (record.status, record.input_tokens, record.output_tokens, record.stream) == (200, 10, 4, True)
        assert record.ttft_ms is not None
        filed_once_and_in_time(rooms.log)

    run(test)


def test_a_field_that_cannot_be_carried_is_refused_by_name_and_nothing_is_sent():
    async def test() -> None:
        rooms = rooms_of(whole(answer()))
        content = [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "flac"}}]
        reply = await rooms.serve(ask(messages=[{"role": "user", "content": content}]))
        error = orjson.loads(reply.body)["error"]
        assert (reply.status, error["code"], error["param"]) == (400, "unsupported_field", "messages")
        assert rooms.wires == []
        assert "void" in rooms.log
        assert rooms.record.error_code == "unsupported_field"
        filed_once_and_in_time(rooms.log)

    run(test)


def test_what_may_be_left_out_is_named_in_the_answer_and_the_record():
    async def test() -> None:
        content = [
            {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "flac"}},
        ]
        rooms = rooms_of(whole(answer(usage=USAGE)), to=DROPS)
        reply = await rooms.serve(ask(messages=[{"role": "user", "content": content}]))
        assert headers(reply)["x-weighbridge-dropped"] == "cache_control,messages"
        assert rooms.record.dropped_fields == ["cache_control", "messages"]
        streamed = rooms_of(stream(event("a"), event(), DONE), to=DROPS)
        reply = await streamed.serve(ask(messages=[{"role": "user", "content": content}], stream=True))
        assert headers(reply)["x-weighbridge-dropped"] == "cache_control,messages"

    run(test)


def test_guards_see_both_ways_in_the_clients_dialect():
    async def test() -> None:
        rules = (rule("osprey", "redact", "request"), rule("falcon", "redact", "response"))
        rooms = rooms_of(whole(answer("a falcon", usage=USAGE)), *rules)
        reply = await rooms.serve(ask("an osprey"))
        assert sent(rooms)[1]["messages"][0]["content"] == "an [OSPREY]"
        assert told(reply) == "a [FALCON]"
        streamed = rooms_of(stream(event("a fal"), event("con"), event(), DONE), *rules)
        reply = await streamed.serve(ask(stream=True))
        assert assemble([reply.body])["choices"][0]["message"]["content"] == "a [FALCON]"
        blocked = rooms_of(stream(event("a fal"), event("con"), event(), DONE), rule("falcon", "block", "response"))
        reply = await blocked.serve(ask(stream=True))
        assert b"con" not in reply.body.replace(b"content", b"")
        assert b"content_filter" in reply.body
        assert "cancel" in blocked.log
        filed_once_and_in_time(blocked.log)

    run(test)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 503, 529])
def test_a_providers_error_keeps_its_status_and_when_to_come_back(status: int):
    async def test() -> None:
        script = whole(b'{"error":{"message":"no","code":"own"}}', status, {**JSON, b"retry-after": b"3"})
        rooms = rooms_of(script)
        reply = await rooms.serve(ask())
        assert (reply.status, orjson.loads(reply.body)["error"]["message"]) == (status, "no")
        assert headers(reply)["retry-after"] == "3"
        assert (rooms.record.status, rooms.record.error_code) == (status, "upstream_error")
        filed_once_and_in_time(rooms.log)

    run(test)


def test_an_error_inside_a_stream_becomes_a_status_or_the_dialects_event():
    async def test() -> None:
        error = b'data: {"error":{"message":"busy","code":529}}\n\n'
        early = rooms_of(stream(error))
        reply = await early.serve(ask(stream=True))
        assert (reply.status, orjson.loads(reply.body)["error"]["message"]) == (529, "busy")
        filed_once_and_in_time(early.log)
        late = rooms_of(stream(event("a"), error))
        reply = await late.serve(ask(stream=True))
        assert reply.status == 200
        assert orjson.loads(reply.body.split(b"data: ")[-1])["error"]["message"] == "busy"
        assert DONE not in reply.body
        filed_once_and_in_time(late.log)

    run(test)


def test_a_stream_that_is_cut_never_ends_as_if_it_were_whole():
    async def test() -> None:
        for script in (stream(event("a")), stream(event("a"), IdleTimeout("silent"))):
            rooms = rooms_of(script)
            reply = await rooms.serve(ask(stream=True))
            assert DONE not in reply.body
            assert b'"error"' in reply.body
            filed_once_and_in_time(rooms.log)

    run(test)


def test_a_client_that_goes_away_stops_the_provider():
    async def test() -> None:
        rooms = rooms_of(None)
        reply = ListReply(rooms.log)
        drive = rooms.begin(ask(stream=True), reply)
        await asyncio.sleep(0)
        sink = rooms.wires[0].sink
        sink.on_head(200, dict(EVENTS))
        sink.on_data(event("a"))
        drive.cancel()
        await asyncio.wait_for(drive.wait(), 10)
        await rooms.ended()
        assert "cancel" in rooms.log
        sink.on_data(event("late"))
        assert b"late" not in reply.body
        assert rooms.record.status == 499
        filed_once_and_in_time(rooms.log)

    run(test)


def test_a_dialect_without_a_way_across_is_told_so():
    async def test() -> None:
        rooms = rooms_of(whole(answer()))
        reply = await rooms.serve(json_incoming("/v1/embeddings", {"model": "f", "input": "a"}))
        assert (reply.status, orjson.loads(reply.body)["error"]["code"]) == (400, "unsupported_field")
        assert rooms.wires == []

    run(test)
