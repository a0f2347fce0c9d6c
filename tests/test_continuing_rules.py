"""A stream that is cut and goes on, under rules and before clients that leave."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from gateway.core.errors import (
    ConnectFailed,
)
from gateway.core.verdict import Globs, RuleSpec
from gateway.roads import Roads
from gateway.routing.health import Healths
from tests.support.cut_streams import read, text_of
from tests.support.rooms import (
    DONE,
    PROVIDER,
    chat,
    event,
    failing,
    rule,
    run,
    stream,
    whole,
)
from tests.support.sinks import ListReply
from tests.test_continuing import CUT, POLICY, at, body_of, scripted
from tests.test_course import with_courses
from tests.test_travel import OTHER, Soon, _Scripted


def test_a_word_that_is_split_over_the_seam_does_not_leave():
    async def test() -> None:
        redact = rule("osprey", "redact", "response")
        rooms = scripted(
            stream(event("We saw an osp"), CUT),
            stream(event("We saw an osp"), event("rey today."), event(), DONE),
            rules=(redact,),
        )
        reply = await rooms.serve(chat(stream=True))
        told = text_of(read("openai_chat", reply.body))
        assert "osprey" not in told
        assert told == "We saw an [OSPREY] today."
        assert [each.rule for each in rooms.record.guard_events] == [redact.id]
        assert rooms.record.verdict == "edit"

    run(test)


def test_a_word_that_is_split_over_the_seam_ends_the_stream_where_a_rule_says_so():
    async def test() -> None:
        rooms = scripted(
            stream(event("We saw an osp"), CUT),
            stream(event("We saw an osp"), event("rey today."), event(), DONE),
            rules=(rule("osprey", "block", "response"),),
        )
        reply = await rooms.serve(chat(stream=True))
        assert b"osp" not in reply.body
        assert b'"finish_reason":"content_filter"' in reply.body
        assert rooms.record.verdict == "block"
        assert len(rooms.record.attempts) == 2

    run(test)


def test_what_a_rule_on_requests_would_not_let_out_is_not_sent_on():
    async def test() -> None:
        for action in ("block", "redact", "mask"):
            stop = rule("osprey", action, "request")
            rooms = scripted(stream(event("We saw an osprey "), CUT), rules=(stop,))
            reply = await rooms.serve(chat(stream=True))
            assert b'"error"' in reply.body
            assert len(rooms.wires) == 1
            assert {each.rule for each in rooms.record.guard_events} == {stop.id}
            assert rooms.record.verdict == "allow"
            assert rooms.record.error_code == "upstream_error"

    run(test)


def test_who_is_judged_by_other_rules_does_not_go_on():
    async def test() -> None:
        there = rule("falcon", "redact", "response")
        there = msgspec.structs.replace(
            there, match=msgspec.structs.replace(there.match, provider=Globs(include=("q",)))
        )
        rooms = scripted(
            stream(event("We saw "), CUT),
            stream(event("We saw it."), event(), DONE),
            rules=(there,),
            to=(PROVIDER, OTHER, at("r", "openai")),
        )
        reply = await rooms.serve(chat(stream=True))
        assert text_of(read("openai_chat", reply.body)) == "We saw it."
        assert rooms.hosts == ["p.example", "r.example"]

    run(test)


def test_masked_values_stay_masked_for_the_next_provider_and_come_back_to_the_client():
    async def test() -> None:
        mask = rule("osprey", "mask", "request")
        mask = msgspec.structs.replace(
            mask, steps=(msgspec.structs.replace(mask.steps[0], restore_in=("assistant_text",)),)
        )
        rooms = _Echoing(mask)
        reply = await rooms.serve(chat("an osprey", stream=True))
        assert text_of(read("openai_chat", reply.body)) == "I saw your osprey, and your osprey again"
        assert b"osprey" not in rooms.wires[0].sent + rooms.wires[1].sent

    run(test)


class _Echoing(_Scripted):
    """Its providers say the placeholder that they were sent; the first is cut in the middle of it."""

    def __init__(self, *rules: RuleSpec) -> None:
        def first(sink: Any) -> None:
            name = self.placeholder
            stream(event(f"I saw your {name}, and your {name[:4]}"), CUT)(sink)

        def second(sink: Any) -> None:
            name = self.placeholder
            stream(event(f"I saw your {name}, and your {name} again"), event(), DONE)(sink)

        super().__init__(first, second, policy=POLICY, rules=rules)

    @property
    def placeholder(self) -> str:
        return body_of(self, 0)["messages"][0]["content"].removeprefix("an ")


def test_a_client_that_leaves_while_the_next_is_asked_ends_that_try_and_pays_for_both():
    async def test() -> None:
        rooms = scripted(stream(event("Once upon a time "), CUT), lambda _: None)
        reply = ListReply(rooms.log)
        drive = rooms.begin(chat(stream=True), reply)
        while len(rooms.wires) < 2:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        reply.gone = True
        drive.cancel()
        await asyncio.wait_for(drive.wait(), 10)
        await rooms.ended()
        assert rooms.log.count("cancel") == 1
        assert (rooms.record.error_code, rooms.record.status) == ("client_closed", 499)
        assert [each.kind for each in rooms.record.attempts] == ["first", "continue"]
        assert rooms.record.output_tokens == rooms.record.attempts[0].output_tokens
        assert not in_flight(rooms)

    run(test)


def test_seats_are_given_back_on_every_way_out():
    async def test() -> None:
        good = stream(event("Once upon"), event(), DONE)
        for scripts in (
            (stream(event("Once "), CUT), good),
            (stream(event("Once "), CUT), stream(event("Once "), CUT), failing(ConnectFailed("x"))),
            (stream(event("Once "), CUT), whole(b"{}", 500), whole(b"{}", 500)),
        ):
            rooms = scripted(*scripts)
            healths = Healths(lambda: 0.0)
            with_courses(rooms, roads=Roads(healths, None, Soon()))
            await rooms.serve(chat(stream=True))
            assert all(health.in_flight == 0 for health in healths.names().values())

    run(test)


def in_flight(rooms: _Scripted) -> int:
    healths = rooms.pipeline.courses.roads.healths
    return sum(health.in_flight for health in healths.names().values())
