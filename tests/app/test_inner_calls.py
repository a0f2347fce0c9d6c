"""What judges ask goes through the pipeline itself: routed, paid, recorded, and judged by nobody."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from gateway.app.inner_calls import InnerCalls
from gateway.core.errors import InvalidAnswer
from gateway.core.ports import AnswerSink
from gateway.core.verdict import Match, RuleSpec
from tests.guards.handmade import BIRDS, does, engine, named
from tests.support.rooms import DONE, EVENTS, JSON, PROVIDER, USAGE, Rooms, Script, answer, chat, event, run
from tests.support.sinks import ListReply

REQUEST, RESPONSE = Match(direction=("request",)), Match(direction=("response",))
BREAKS = '{"breaks": true, "score": 0.9, "kind": "dose"}'


def rooms_with(script: Script, *rules: RuleSpec) -> Rooms:
    kinds = (named("j", "judge", options={"model": "small", "rubric": "No doses."}), BIRDS)
    guards = engine(*rules, kinds=kinds)
    rooms = Rooms(script, engine=guards, aliases={"small": PROVIDER})
    guards.connect(InnerCalls(rooms.pipeline).ask)
    return rooms


def say(sink: AnswerSink, body: bytes, status: int = 200) -> None:
    sink.on_head(status, dict(JSON))
    sink.on_data(body)
    sink.on_end()


def test_a_question_is_a_call_of_its_own_on_the_record_and_no_rule_looks_at_it():
    async def test() -> None:
        rooms = rooms_with(lambda sink: say(sink, answer("fine", usage=USAGE)), does("r", "birds", "block"))
        assert await InnerCalls(rooms.pipeline).ask("small", "judge this osprey", "an osprey", 9) == "fine"
        sent = orjson.loads(rooms.wires[0].sent.partition(b"\r\n\r\n")[2])
        assert (sent["model"], sent["max_tokens"], sent["messages"][1]["content"]) == ("small", 9, "an osprey")
        record = rooms.record
        assert (record.alias, record.tags, record.verdict, record.output_tokens) == (
            "small", {"weighbridge": "judge"}, "allow", 4,
        )  # fmt: skip

    run(test)


@pytest.mark.parametrize("script", [lambda sink: say(sink, b"{}", 500), lambda sink: say(sink, b'{"choices": []}')])
def test_an_answer_without_text_is_an_error(script: Script):
    async def test() -> None:
        rooms = rooms_with(script)
        with pytest.raises(InvalidAnswer):
            await InnerCalls(rooms.pipeline).ask("small", "s", "t", 9)
        assert (await asyncio.wait_for(_unknown(rooms), 10)) is None

    async def _unknown(rooms: Rooms) -> None:
        with pytest.raises(InvalidAnswer):
            await InnerCalls(rooms.pipeline).ask("nobody serves this", "s", "t", 9)

    run(test)


def test_whoever_gives_up_asking_ends_the_call():
    async def test() -> None:
        rooms = rooms_with(lambda sink: None)
        asking = asyncio.ensure_future(InnerCalls(rooms.pipeline).ask("small", "s", "t", 9))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await rooms.ended()
        assert "cancel" in rooms.log

    run(test)


def test_a_judge_ends_a_stream_that_still_runs():
    async def test() -> None:
        streams: list[AnswerSink] = []

        def script(sink: AnswerSink) -> None:
            if not streams:
                streams.append(sink)
                sink.on_head(200, dict(EVENTS))
                sink.on_data(event("take a dose of "))
            else:
                say(sink, answer(BREAKS, usage=USAGE))

        rooms = rooms_with(script, does("r", "j", "block", match=REQUEST))
        reply = ListReply(rooms.log)
        await asyncio.wait_for(rooms.begin(chat(stream=True), reply).wait(), 10)
        assert b"take a dose of" in reply.body
        assert b'"content_filter"' in reply.body
        assert reply.body.endswith(DONE)
        inner, outer = rooms.records
        assert (inner.tags, inner.verdict) == ({"weighbridge": "judge"}, "allow")
        assert (outer.verdict, [each.detector for each in outer.guard_events]) == ("block", ["j/dose"])

    run(test)


def test_a_judge_of_an_answer_remarks_on_it_when_it_has_left():
    async def test() -> None:
        count: list[int] = []

        def script(sink: AnswerSink) -> None:
            count.append(1)
            say(sink, answer("take poison" if len(count) == 1 else BREAKS, usage=USAGE))

        rooms = rooms_with(script, does("r", "j", "block", match=RESPONSE))
        reply = await rooms.serve(chat())
        await rooms.ended()
        assert (reply.status, b"take poison" in reply.body) == (200, True)
        outer = rooms.records[-1]
        assert (outer.verdict, [each.rule for each in outer.guard_events], len(rooms.records)) == ("annotate", ["r"], 2)

    run(test)
