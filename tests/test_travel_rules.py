"""Where a call goes by what it is: conditions, what rules make of it, and the arm of its caller."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from gateway.core.errors import ConnectFailed
from gateway.core.exchange import Deployment, Incoming, RoutePolicy
from gateway.core.route_rules import Between, RouteMatch, RouteWhen, Split
from gateway.core.verdict import Globs, RuleSpec, Step
from gateway.roads import Roads
from gateway.routing.health import Healths
from gateway.routing.table import RouteEntry, Router
from tests.support.incoming import json_incoming
from tests.support.rooms import PROVIDER, USAGE, Rooms, Script, answer, chat, failing, rule, run, whole
from tests.test_course import with_courses
from tests.test_travel import OTHER, THIRD, Soon

GOOD = whole(answer(usage=USAGE))
RISKY = (RouteMatch(score=Between(least=3)),)
SPLIT = Split(name="ab", arms=(("old", 0.5), ("new", 0.5)), sticky_by="session")


def scored(word: str, points: float, *more: Step, **match: Any) -> RuleSpec:
    made = rule(word, "score", "request")
    where = msgspec.structs.replace(made.match, **match)
    return msgspec.structs.replace(made, match=where, steps=(Step(action="score", score=points), *more))


def rooms_of(
    *lines: tuple[Deployment, RouteWhen, str],
    script: Script = GOOD,
    rules: tuple[RuleSpec, ...] = (),
    pool: tuple[RouteEntry, ...] = (),
    **policy: Any,
) -> Rooms:
    rooms = Rooms(script, *rules)
    table = tuple(RouteEntry(alias="m", deployment=to, when=when, arm=arm) for to, when, arm in lines)
    policies = {"m": RoutePolicy(**policy), "pool": RoutePolicy(strategy="when-rules")}
    tainted = rooms.pipeline.sessions.taints.tainted
    roads = Roads(Healths(lambda: rooms.clock.monotonic_ns() / 1e9), None, Soon(), tainted=tainted)
    return with_courses(rooms, router=Router((*table, *pool), {}, policies), roads=roads)


def session(name: str, text: str = "hello", **more: Any) -> Incoming:
    asked = chat(text, **more)
    asked.headers = {**asked.headers, b"x-weighbridge-session": name.encode()}
    return asked


def test_the_first_whose_condition_holds_gets_the_call_and_the_next_steps_in():
    async def test() -> None:
        streams = (RouteMatch(stream=True),)
        short = (RouteMatch(chars=Between(most=20)),)
        rooms = rooms_of((PROVIDER, streams, ""), (OTHER, short, ""), (THIRD, (), ""), strategy="when-rules", retries=1)
        await rooms.serve(chat("hello"))
        await rooms.serve(chat("hello " * 10))
        assert [each.provider for each in rooms.records] == ["q", "r"]
        failed = rooms_of(
            (PROVIDER, streams, ""), (OTHER, short, ""), (THIRD, (), ""),
            script=failing(ConnectFailed("down")), strategy="when-rules", retries=1,
        )  # fmt: skip
        await failed.serve(chat("hello"))
        assert [each.provider for each in failed.record.attempts] == ["q", "r"]

    run(test)


def test_where_no_deployment_is_for_a_request_its_client_is_told():
    async def test() -> None:
        rooms = rooms_of((PROVIDER, (RouteMatch(team=Globs(include=("x",))),), ""))
        reply = await rooms.serve(chat())
        error = orjson.loads(reply.body)["error"]
        assert (reply.status, error["code"], error["param"]) == (400, "unsupported_field", "model")
        assert "for a request like this one: team" in error["message"]
        assert rooms.wires == []

    run(test)


def test_what_rules_make_of_a_request_may_send_it_elsewhere():
    async def test() -> None:
        rooms = rooms_of((OTHER, RISKY, ""), (PROVIDER, (), ""), rules=(scored("osprey", 4.0),), strategy="when-rules")
        await rooms.serve(chat("hello"))
        await rooms.serve(chat("an osprey"))
        assert [each.provider for each in rooms.records] == ["p", "q"]
        assert [event.rule for event in rooms.records[1].guard_events] == ["score-osprey"]
        assert [each.kind for each in rooms.records[1].attempts] == ["first"]

    run(test)


def test_one_that_nobody_but_the_risky_ones_may_have_waits_for_the_rules():
    async def test() -> None:
        rooms = rooms_of((OTHER, RISKY, ""), rules=(scored("osprey", 4.0),))
        assert (await rooms.serve(chat("an osprey"))).status == 200
        assert (await rooms.serve(chat("hello"))).status == 400

    run(test)


def test_rules_of_the_deployment_that_gets_it_in_the_end_are_asked_and_what_sent_it_there_stays_on_record():
    async def test() -> None:
        here = scored("osprey", 4.0, provider=Globs(include=("p",)))
        there = rule("osprey", "redact", "request")
        there = msgspec.structs.replace(
            there, match=msgspec.structs.replace(there.match, provider=Globs(include=("q",)))
        )
        rooms = rooms_of((OTHER, RISKY, ""), (PROVIDER, (), ""), rules=(here, there), strategy="when-rules")
        await rooms.serve(chat("an osprey"))
        assert rooms.record.provider == "q"
        assert b"osprey" not in rooms.wires[0].sent
        assert [event.rule for event in rooms.record.guard_events] == ["score-osprey", "redact-osprey"]

    run(test)


def test_a_tainted_session_goes_where_such_sessions_go():
    async def test() -> None:
        untrusted = (RouteMatch(tainted=True),)
        taints = scored("osprey", 1.0, Step(action="taint", taint="session"))
        rooms = rooms_of((OTHER, untrusted, ""), (PROVIDER, (), ""), rules=(taints,), strategy="when-rules")
        for asked in (session("a"), session("a", "an osprey"), session("a"), session("b")):
            await rooms.serve(asked)
        assert [each.provider for each in rooms.records] == ["p", "q", "q", "p"]

    run(test)


def test_a_call_that_a_rule_sends_to_another_alias_is_under_the_conditions_there():
    async def test() -> None:
        pool = (
            RouteEntry(alias="pool", deployment=OTHER, when=(RouteMatch(chars=Between(least=100)),)),
            RouteEntry(alias="pool", deployment=THIRD),
        )
        away = msgspec.structs.replace(rule("osprey", "route", "request"), steps=(Step(action="route", route="pool"),))
        rooms = rooms_of((PROVIDER, (), ""), rules=(away,), pool=pool)
        for text in ("hello", "an osprey", "an osprey " * 20):
            await rooms.serve(chat(text))
        assert [each.provider for each in rooms.records] == ["p", "r", "q"]

    run(test)


def test_a_session_keeps_its_arm_and_every_record_has_it():
    async def test() -> None:
        rooms = rooms_of((PROVIDER, (), "old"), (OTHER, (), "new"), split=SPLIT)
        names = [f"s-{number}" for number in range(12)]
        for name in (*names, *names):
            await rooms.serve(session(name))
        assert {each.split for each in rooms.records} == {"ab"}
        assert {(each.arm, each.provider) for each in rooms.records} == {("old", "p"), ("new", "q")}
        first, again = rooms.records[:12], rooms.records[12:]
        assert [each.arm for each in first] == [each.arm for each in again]

    run(test)


def test_calls_without_a_session_have_an_arm_each_and_it_is_on_their_ordinary_lines_too():
    async def test() -> None:
        rooms = rooms_of((PROVIDER, (), "old"), (OTHER, (), "new"), split=SPLIT)
        await rooms.serve(chat())
        assert (rooms.record.split, rooms.record.arm, rooms.record.provider) == ("ab", "old", "p")

    run(test)


def test_when_an_arm_is_down_the_other_steps_in_and_the_record_says_whose_the_call_was():
    async def test() -> None:
        def by_host(sink: Any) -> None:
            (failing(ConnectFailed("down")) if b"p.example" in rooms.wires[-1].sent else GOOD)(sink)

        rooms = rooms_of((PROVIDER, (), "old"), (OTHER, (), "new"), split=SPLIT, script=by_host)
        await rooms.serve(chat())
        assert [each.provider for each in rooms.record.attempts] == ["p", "q"]
        assert (rooms.record.arm, rooms.record.provider) == ("old", "q")

    run(test)


def test_a_call_in_a_form_that_one_deployment_does_not_take_goes_to_one_that_does():
    async def test() -> None:
        claude = msgspec.structs.replace(PROVIDER, provider="c", kind="anthropic", model="claude")
        made = whole(b'{"object":"list","model":"e","data":[],"usage":{"prompt_tokens":2,"total_tokens":2}}')
        rooms = rooms_of((claude, (), ""), (OTHER, (), ""), script=made)
        asked = json_incoming("/v1/embeddings", {"model": "m", "input": "hello"})
        asked.received_ns = rooms.clock.monotonic_ns()
        reply = await rooms.serve(asked)
        assert (reply.status, rooms.record.provider) == (200, "q")
        rooms = rooms_of((claude, (), ""), (claude, (), ""), script=made)
        reply = await rooms.serve(asked)
        assert (reply.status, orjson.loads(reply.body)["error"]["code"]) == (400, "unsupported_field")

    run(test)


def test_what_is_too_long_for_a_deployment_goes_to_the_others_and_no_retry_comes_back():
    async def test() -> None:
        small = msgspec.structs.replace(PROVIDER, context_window=1000)
        rooms = rooms_of((small, (), ""), (OTHER, (), ""), strategy="weighted", script=failing(ConnectFailed("down")))
        for _ in range(2):
            await rooms.serve(chat("word " * 1000))
            assert {each.provider for each in rooms.records[-1].attempts} == {"q"}
        await rooms.serve(chat("hello", max_tokens=1001))
        assert {each.provider for each in rooms.records[-1].attempts} == {"q"}
        await rooms.serve(chat("hello", max_tokens=100))
        assert {each.provider for each in rooms.records[-1].attempts} == {"p", "q"}

    run(test)
