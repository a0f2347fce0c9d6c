"""A call that is taken elsewhere: what holds there, and what it lets go of."""

from __future__ import annotations

from typing import Any

from gateway.core.call import Call
from gateway.core.exchange import Request
from gateway.core.limits import LimitRule
from gateway.core.verdict import Screened
from gateway.course import Course
from gateway.moves import let_go, move
from gateway.wire.select import select
from tests.support.duel import Duel
from tests.support.rooms import chat, rule, run
from tests.support.sinks import ListReply
from tests.test_hedging_rules import at


def begun(rooms: Duel) -> tuple[Call, Request, Course]:
    """A call of which nothing has been sent yet."""
    call = Call(chat("an osprey"), ListReply(rooms.log), None, select(chat())[0])
    call.dialect, call.request = _, request = select(call.incoming)
    course = rooms.pipeline.courses.find(call, request)
    call.deployment, call.template = course.deployment, course.template
    call.lease = rooms.pipeline.ledger.reserve(call, course.principal, request, course.deployment)
    return call, request, course


def test_a_call_that_stays_is_what_it_was():
    async def test() -> None:
        rooms = Duel()
        call, request, course = begun(rooms)
        assert await move(rooms.pipeline, call, request, course, request.document, 0) == (course, request.document)
        assert call.record is None

    run(test)


def test_a_call_that_moves_is_under_the_rules_and_limits_of_the_other():
    async def test() -> None:
        limits = (LimitRule(scope="provider", concurrency=1),)
        rooms = Duel(None, at("q", rule("osprey", "redact", "request")), limits=limits)
        call, request, course = begun(rooms)
        going, document = await move(rooms.pipeline, call, request, course, request.document, 1)
        assert (going.deployment.provider, call.deployment) == ("q", going.deployment)
        assert document["messages"][0]["content"] == "an [OSPREY]"
        assert request.document["messages"][0]["content"] == "an osprey"
        assert rooms.pipeline.journal.record(call).provider == "q"
        assert rooms.log == ["void"]
        assert call.lease is not None

    run(test)


def test_a_call_lets_go_of_its_judges_once():
    dropped: list[str] = []

    class Judges:
        def drop(self) -> list[Screened]:
            dropped.append("judges")
            return []

    class Clauses:
        def drop(self) -> None:
            dropped.append("clauses")

    call: Any = Call(chat(), ListReply(), None, select(chat())[0])
    call.judging, call.clauses = Judges(), Clauses()
    assert let_go(call) == []
    assert call.judging is None
    let_go(call)
    assert dropped == ["clauses", "judges", "clauses"]
