"""One exchange under rules, and one whose client leaves."""

from __future__ import annotations

import orjson
import pytest

from gateway.core.verdict import Bundle, DetectorSpec
from gateway.guards.engine import GuardEngine
from tests.support.rooms import (
    DONE,
    EVENTS,
    ONE_AT_A_TIME,
    USAGE,
    Rooms,
    Script,
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

ROLE = b'data: {"id":"1","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n'


def test_a_blocked_request_never_leaves_and_gives_its_place_back():
    async def test() -> None:
        blocking = rule("osprey", "block", "request")
        rooms = Rooms(whole(answer(usage=USAGE)), blocking, limits=(ONE_AT_A_TIME,))
        reply = await rooms.serve(chat("tell me of project osprey"))
        error = orjson.loads(reply.body)["error"]
        assert (reply.status, error["code"]) == (400, "policy_blocked")
        assert blocking.id in error["message"]
        assert b"osprey" not in reply.body.replace(blocking.id.encode(), b"")
        assert (rooms.wires, rooms.record.verdict, rooms.record.status) == ([], "block", 400)
        assert [each.action for each in rooms.record.guard_events] == ["block"]
        assert "void" in rooms.log
        filed_once_and_in_time(rooms.log)
        assert (await rooms.serve(chat())).status == 200

    run(test)


def test_an_edited_request_is_what_the_provider_gets():
    async def test() -> None:
        rooms = Rooms(whole(answer(usage=USAGE)), rule("osprey", "redact", "request"), bodies="redacted")
        asked = chat("project osprey")
        before = bytes(asked.body)
        reply = await rooms.serve(asked)
        assert b"osprey" not in rooms.wires[0].sent
        assert b"project [OSPREY" in rooms.wires[0].sent
        assert asked.body == before
        assert (rooms.record.verdict, reply.header("x-weighbridge-verdict")) == ("edit", "edit")
        assert rooms.record.request_body is not None
        assert "osprey" not in rooms.record.request_body

    run(test)


def test_a_blocked_whole_answer_is_not_shown():
    async def test() -> None:
        rooms = Rooms(whole(answer("the osprey flies", usage=USAGE)), rule("osprey", "block", "response"))
        reply = await rooms.serve(chat())
        assert (reply.status, rooms.record.verdict) == (400, "block")
        assert b"flies" not in reply.body
        filed_once_and_in_time(rooms.log)

    run(test)


@pytest.mark.parametrize("cut", range(1, 7))
def test_a_blocked_stream_ends_as_its_dialect_ends_one(cut: int):
    async def test() -> None:
        word = "osprey"
        script = stream(event("a good start "), event(word[:cut]), event(word[cut:] + " flies"), event(), DONE)
        rooms = Rooms(script, rule("osprey", "block", "response"))
        reply = await rooms.serve(chat(stream=True))
        assert b"good start" in reply.body
        assert b"flies" not in reply.body
        assert b"content_filter" in reply.body
        assert reply.body.endswith(DONE)
        assert (rooms.record.verdict, rooms.record.error_code) == ("block", "policy_blocked")
        assert [each.action for each in rooms.record.guard_events] == ["block"]
        assert "cancel" in rooms.log
        assert rooms.record.output_tokens is not None
        filed_once_and_in_time(rooms.log)

    run(test)


def test_a_redacted_stream_shows_the_replacement_and_notes_its_hit_once():
    async def test() -> None:
        script = stream(event("an os"), event("prey flies"), event(), DONE)
        rooms = Rooms(script, rule("osprey", "redact", "response"))
        reply = await rooms.serve(chat(stream=True))
        assert b"osprey" not in reply.body
        assert b"[OSPREY" in reply.body
        assert (rooms.record.verdict, len(rooms.record.guard_events)) == ("edit", 1)
        filed_once_and_in_time(rooms.log)

    run(test)


@pytest.mark.parametrize("apart", [True, False], ids=["event by event", "in one piece"])
def test_a_stream_without_the_form_is_refused_however_it_was_cut(apart: bool):
    async def test() -> None:
        schema = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
        spec = DetectorSpec(name="form", use="json_schema", options={"schema": schema})
        form = rule("form", "block", "response")
        rooms = Rooms(
            _cut(ROLE, event('{"n": '), event('"5"}'), event(), DONE, apart=apart),
            engine=GuardEngine(Bundle(revision="0123456789ab", detectors=(spec,), rules=(form,))),
        )
        reply = await rooms.serve(chat(stream=True))
        assert (reply.status, orjson.loads(reply.body)["error"]["code"]) == (400, "policy_blocked")
        assert "start" not in rooms.log
        assert (rooms.record.verdict, rooms.record.status, rooms.record.released_chars) == ("block", 400, 0)
        filed_once_and_in_time(rooms.log)

    run(test)


@pytest.mark.parametrize("apart", [True, False], ids=["event by event", "in one piece"])
def test_a_blocked_stream_ends_where_it_does_however_it_was_cut(apart: bool):
    async def test() -> None:
        script = _cut(ROLE, event("a good start "), event("osprey"), event(), DONE, apart=apart)
        rooms = Rooms(script, rule("osprey", "block", "response"))
        reply = await rooms.serve(chat(stream=True))
        stop = b'"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"content_filter"}]'
        assert reply.status == 200
        assert reply.body.startswith(ROLE + event("a good start "))
        assert reply.body.count(b"data: ") == 4
        assert stop in reply.body
        assert reply.body.endswith(DONE)
        filed_once_and_in_time(rooms.log)

    run(test)


@pytest.mark.parametrize("apart", [True, False], ids=["event by event", "in one piece"])
def test_an_error_is_a_status_before_the_first_words_and_an_event_after_them(apart: bool):
    async def test() -> None:
        failed = b'data: {"error":{"message":"busy","code":503}}\n\n'
        early = Rooms(_cut(ROLE, failed, apart=apart))
        reply = await early.serve(chat(stream=True))
        assert (reply.status, orjson.loads(reply.body)["error"]["message"]) == (503, "busy")
        filed_once_and_in_time(early.log)
        late = Rooms(_cut(ROLE, event("a"), failed, apart=apart))
        reply = await late.serve(chat(stream=True))
        assert reply.status == 200
        assert reply.body.startswith(ROLE + event("a") + b"data: ")
        assert orjson.loads(reply.body.split(b"data: ")[-1])["error"]["message"] == "busy"
        filed_once_and_in_time(late.log)

    run(test)


def _cut(*events: bytes, apart: bool) -> Script:
    return stream(*events) if apart else stream(b"".join(events))


# --- the client goes


@pytest.mark.parametrize("begun", [False, True], ids=["before the head", "in the middle"])
def test_a_client_that_goes_stops_the_provider_and_is_recorded_as_499(begun: bool):
    async def test() -> None:
        rooms = Rooms(None, limits=(ONE_AT_A_TIME,))
        reply = ListReply(rooms.log)
        drive = rooms.begin(chat("hello world", stream=True), reply)
        sink = rooms.wires[0].sink
        if begun:
            sink.on_head(200, dict(EVENTS))
            sink.on_data(event("hi there"))
        reply.gone = True
        drive.cancel()
        assert drive.ended
        assert "cancel" in rooms.log
        sink.on_data(b"late")
        await rooms.ended()
        assert (rooms.record.status, rooms.record.error_code) == (499, "client_closed")
        assert ("send" in rooms.log) is False
        assert (rooms.record.output_tokens == 2) == begun
        filed_once_and_in_time(rooms.log)
        assert rooms.begin(chat(), ListReply()).ended is False, "its place is free again"

    run(test)
