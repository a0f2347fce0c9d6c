"""A call that fails at one deployment: where it goes, what its client sees, and what is recorded of every try."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import msgspec
import orjson
import pytest

from gateway.core.errors import ConnectFailed, FirstTokenTimeout, InvalidAnswer, StreamBroken, TotalTimeout
from gateway.core.exchange import Deployment, RoutePolicy, Timeouts
from gateway.core.limits import LimitRule
from gateway.core.ports import AnswerSink
from gateway.core.verdict import Globs
from gateway.roads import Roads
from gateway.routing.health import Healths
from gateway.routing.table import RouteEntry, Router
from tests.support.clock import ManualClock
from tests.support.incoming import incoming
from tests.support.rooms import (
    DONE,
    EVENTS,
    PROVIDER,
    USAGE,
    Rooms,
    Script,
    answer,
    chat,
    event,
    failing,
    filed_once_and_in_time,
    rule,
    run,
    stream,
    whole,
)
from tests.support.sinks import ListReply
from tests.test_course import with_courses

OTHER = msgspec.structs.replace(PROVIDER, provider="q", base_url="http://q.example/v1")
THIRD = msgspec.structs.replace(PROVIDER, provider="r", base_url="http://r.example/v1")
GOOD = whole(answer(usage=USAGE))
DOWN = failing(ConnectFailed("down"))


def busy(status: int = 429, headers: dict[bytes, bytes] | None = None) -> Script:
    return whole(b'{"error":{"message":"busy"}}', status, {b"content-type": b"application/json", **(headers or {})})


class _Scripted(Rooms):
    """One script a try, or one for all of them; retries come at once."""

    def __init__(
        self,
        *scripts: Script,
        to: tuple[Deployment, ...] = (PROVIDER, OTHER),
        policy: RoutePolicy | None = None,
        fallback: Deployment | None = None,
        lasts: bool = False,
        **more: Any,
    ) -> None:
        waiting = list(scripts)

        def play(sink: AnswerSink) -> None:
            script = waiting[0] if lasts else waiting.pop(0)
            script(sink)

        super().__init__(play, *more.pop("rules", ()), **more)
        table = [RouteEntry(alias="m", deployment=each) for each in to]
        if fallback is not None:
            table.append(RouteEntry(alias="m", deployment=fallback, fallback=True))
        router = Router(tuple(table), {}, {"m": policy or RoutePolicy()})
        with_courses(self, router=router, roads=Roads(Healths(lambda: self.clock.monotonic_ns() / 1e9), None, Soon()))

    @property
    def tries(self) -> list[tuple[int, str, str, int, str]]:
        return [(e.number, e.kind, e.provider, e.status, e.error_code) for e in self.record.attempts]

    @property
    def hosts(self) -> list[str]:
        return [wire.sent.split(b"host: ")[1].split(b"\r\n")[0].decode() for wire in self.wires]


class Soon(Random):
    """Chance that never makes anybody wait."""

    def random(self) -> float:
        return 0.0

    def choice(self, seq: Any) -> Any:
        return seq[0]


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        (DOWN, 0, "upstream_error"),
        (failing(FirstTokenTimeout("late")), 0, "upstream_timeout"),
        (failing(InvalidAnswer("odd")), 0, "upstream_error"),
        (busy(), 429, "upstream_error"),
        (busy(503), 503, "upstream_error"),
        (busy(529), 529, "upstream_error"),
        (stream(StreamBroken("cut")), 200, "upstream_error"),
    ],
)
def test_a_call_that_fails_goes_to_the_next_deployment(script: Script, status: int, code: str):
    async def test() -> None:
        rooms = _Scripted(script, GOOD)
        reply = await rooms.serve(chat())
        assert (reply.status, orjson.loads(reply.body)["choices"][0]["message"]["content"]) == (200, "hi there")
        assert reply.header("x-weighbridge-attempts") == "2"
        assert reply.header("x-weighbridge-provider") == "q"
        assert rooms.tries == [(1, "first", "p", status, code), (2, "fallback", "q", 200, "")]
        assert rooms.record.provider == "q"
        filed_once_and_in_time(rooms.log)

    run(test)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"error":{"message":"busy","code":503}}'])
def test_an_answer_that_is_none_is_a_failure_whatever_its_status_says(body: bytes):
    async def test() -> None:
        rooms = _Scripted(whole(body), GOOD)
        assert (await rooms.serve(chat())).status == 200
        assert rooms.tries == [(1, "first", "p", 200, "upstream_error"), (2, "fallback", "q", 200, "")]
        rooms = _Scripted(whole(body), to=(PROVIDER,), policy=RoutePolicy(retries=0))
        assert (await rooms.serve(chat())).status >= 500
        assert rooms.record.usage_source == "missing"
        filed_once_and_in_time(rooms.log)

    run(test)


@pytest.mark.parametrize("script", [stream(), stream(b": ping\n\n"), stream(event(""))])
def test_a_stream_that_ends_before_its_first_words_is_a_failure(script: Script):
    async def test() -> None:
        rooms = _Scripted(script, stream(event("Hello"), event(), DONE))
        reply = await rooms.serve(chat(stream=True))
        assert (reply.status, reply.body[-len(DONE) :]) == (200, DONE)
        assert rooms.tries == [(1, "first", "p", 200, "upstream_error"), (2, "fallback", "q", 200, "")]
        filed_once_and_in_time(rooms.log)

    run(test)


def test_the_time_for_the_whole_call_is_not_given_to_each_try_anew():
    async def test() -> None:
        first = msgspec.structs.replace(PROVIDER, timeouts=Timeouts(total_s=10))
        other = msgspec.structs.replace(OTHER, timeouts=Timeouts(total_s=10))

        def after(seconds: float) -> Script:
            def play(sink: AnswerSink) -> None:
                rooms.clock.advance(seconds)
                DOWN(sink)

            return play

        rooms = _Scripted(after(9), GOOD, to=(first, other))
        assert (await rooms.serve(chat())).status == 200
        rooms = _Scripted(after(11), GOOD, to=(first, other))
        assert (await rooms.serve(chat())).status == 502
        assert len(rooms.wires) == 1
        # Nothing comes any more, and what is left of the time is nearly over.
        rooms = _Scripted(after(9.99), lambda sink: None, to=(first, other))
        assert (await rooms.serve(chat())).status == 504
        assert [each[1:3] for each in rooms.tries] == [("first", "p"), ("fallback", "q")]
        assert rooms.log.count("cancel") == 1

    run(test)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_what_another_try_would_not_mend_is_told_at_once(status: int):
    async def test() -> None:
        rooms = _Scripted(busy(status), GOOD)
        reply = await rooms.serve(chat())
        assert (reply.status, len(rooms.wires)) == (status, 1)

    run(test)


def test_what_took_all_the_time_there_was_is_not_tried_again():
    async def test() -> None:
        rooms = _Scripted(failing(TotalTimeout("over")), GOOD)
        assert (await rooms.serve(chat())).status == 504
        assert len(rooms.wires) == 1

    run(test)


def test_after_the_others_the_same_one_again():
    async def test() -> None:
        rooms = _Scripted(DOWN, busy(500), GOOD)
        reply = await rooms.serve(chat())
        assert reply.status == 200
        assert [each[:3] for each in rooms.tries] == [(1, "first", "p"), (2, "fallback", "q"), (3, "retry", "p")]
        assert reply.header("x-weighbridge-attempts") == "3"

    run(test)


def test_when_all_tries_are_used_the_last_answer_is_the_clients():
    async def test() -> None:
        rooms = _Scripted(DOWN, DOWN, busy(503, {b"retry-after": b"7"}), policy=RoutePolicy(retries=2))
        reply = await rooms.serve(chat())
        assert (reply.status, reply.header("retry-after")) == (503, "7")
        assert len(rooms.record.attempts) == 3
        filed_once_and_in_time(rooms.log)
        rooms = _Scripted(busy(500), DOWN, policy=RoutePolicy(retries=1))
        reply = await rooms.serve(chat())
        assert (reply.status, orjson.loads(reply.body)["error"]["code"]) == (502, "upstream_error")
        assert reply.header("x-weighbridge-attempts") == "2"

    run(test)


def test_only_what_the_policy_names_is_tried_again():
    async def test() -> None:
        rooms = _Scripted(busy(), GOOD, policy=RoutePolicy(retry_on=frozenset({"connect"})))
        assert (await rooms.serve(chat())).status == 429
        rooms = _Scripted(DOWN, GOOD, policy=RoutePolicy(retry_on=frozenset({"connect"})))
        assert (await rooms.serve(chat())).status == 200

    run(test)


def test_once_a_byte_has_reached_the_client_there_is_no_other_try():
    async def test() -> None:
        rooms = _Scripted(stream(event("so far"), StreamBroken("cut")), GOOD)
        reply = await rooms.serve(chat(stream=True))
        assert reply.status == 200
        assert b"so far" in reply.body
        assert b"[DONE]" not in reply.body
        assert len(rooms.wires) == 1

    run(test)


def test_a_stream_goes_on_elsewhere_as_long_as_nobody_has_seen_of_it():
    async def test() -> None:
        rooms = _Scripted(stream(ConnectFailed("gone")), stream(event("all"), DONE))
        reply = await rooms.serve(chat(stream=True))
        assert reply.body.endswith(b"data: [DONE]\n\n")
        assert reply.header("x-weighbridge-attempts") == "2"
        assert rooms.record.ttft_ms is not None

    run(test)


def test_a_fallback_steps_in_after_the_candidates():
    async def test() -> None:
        rooms = _Scripted(DOWN, DOWN, GOOD, fallback=THIRD)
        await rooms.serve(chat())
        assert [each[2] for each in rooms.tries] == ["p", "q", "r"]

    run(test)


def test_one_that_is_down_is_left_alone_after_three_failures():
    async def test() -> None:
        def by_host(sink: AnswerSink) -> None:
            script = DOWN if "p.example" in rooms.hosts[-1] else GOOD
            script(sink)

        rooms = _Scripted(by_host, lasts=True)
        for _ in range(20):
            assert (await rooms.serve(chat())).status == 200
        assert rooms.hosts.count("p.example") == 3

    run(test)


def test_a_request_that_one_cannot_carry_goes_to_one_that_can():
    async def test() -> None:
        claude = msgspec.structs.replace(PROVIDER, provider="c", kind="anthropic", model="claude")
        rooms = _Scripted(GOOD, to=(claude, OTHER))
        reply = await rooms.serve(chat(n=2))
        assert (reply.status, rooms.tries) == (200, [(1, "first", "q", 200, "")])
        rooms = _Scripted(GOOD, to=(claude, claude))
        reply = await rooms.serve(chat(n=2))
        assert (reply.status, orjson.loads(reply.body)["error"]["param"]) == (400, "n")

    run(test)


def test_a_retry_never_comes_back_to_one_that_cannot_carry_the_request():
    async def test() -> None:
        claude = msgspec.structs.replace(PROVIDER, provider="c", kind="anthropic", model="claude")
        rooms = _Scripted(busy(500), GOOD, to=(claude, OTHER))
        reply = await rooms.serve(chat(n=2))
        assert (reply.status, [each[:3] for each in rooms.tries]) == (200, [(1, "first", "q"), (2, "retry", "q")])

    run(test)


def test_rules_that_hold_at_the_next_provider_are_asked_there():
    async def test() -> None:
        there = rule("osprey", "block", "request")
        there = msgspec.structs.replace(
            there, match=msgspec.structs.replace(there.match, provider=Globs(include=("q",)))
        )
        rooms = _Scripted(DOWN, GOOD, rules=(there,))
        reply = await rooms.serve(chat("the osprey"))
        assert (reply.status, orjson.loads(reply.body)["error"]["code"]) == (400, "policy_blocked")
        assert len(rooms.wires) == 1
        assert rooms.tries == [(1, "first", "p", 0, "upstream_error")]

    run(test)


def test_a_limit_on_the_next_provider_holds_and_that_on_the_first_is_given_back():
    async def test() -> None:
        limits = (LimitRule(scope="provider", concurrency=1),)
        rooms = _Scripted(DOWN, GOOD, DOWN, GOOD, limits=limits)
        for _ in range(2):
            assert (await rooms.serve(chat())).status == 200
        assert rooms.log.count("void") == 2

    run(test)


def test_a_client_that_leaves_between_two_tries_ends_the_call():
    async def test() -> None:
        class Later(Soon):
            def random(self) -> float:
                return 1.0

        rooms = _Scripted(DOWN, to=(PROVIDER,))
        healths = Healths(lambda: 0.0)
        with_courses(rooms, roads=Roads(healths, None, Later()))
        reply = ListReply(rooms.log)
        drive = rooms.begin(chat(), reply)
        while not rooms.wires:
            await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)
        reply.gone = True
        drive.cancel()
        await asyncio.wait_for(drive.wait(), 10)
        await rooms.ended()
        assert rooms.record.error_code == "client_closed"
        assert rooms.tries == [(1, "first", "p", 0, "upstream_error")]
        assert all(health.in_flight == 0 for health in healths.names().values())

    run(test)


def test_a_stream_teaches_how_long_its_first_token_took_while_it_goes_on():
    async def test() -> None:
        rooms = _Scripted(lambda _: None, to=(PROVIDER,), policy=RoutePolicy(retries=0))
        (health,) = [rooms.pipeline.courses.roads.healths.of(PROVIDER, RoutePolicy().breaker)]
        drive = rooms.begin(chat(stream=True), ListReply(rooms.log))
        while not rooms.wires:
            await asyncio.sleep(0)
        sink = rooms.wires[0].sink
        sink.on_head(200, dict(EVENTS))
        rooms.clock.advance(2.0)
        assert health.ttft.read(rooms.clock.monotonic_ns() / 1e9) == 0.0
        sink.on_data(event("one"))
        assert health.ttft.read(rooms.clock.monotonic_ns() / 1e9) == 2.0
        sink.on_data(event() + DONE)
        sink.on_end()
        await asyncio.wait_for(drive.wait(), 10)
        assert (health.in_flight, health.calls, health.failures) == (0, 1, 0)

    run(test)


def test_seats_are_given_back_on_every_way_out():
    async def test() -> None:
        healths = Healths(ManualClock().monotonic_ns)
        for scripts in (
            (GOOD,),
            (busy(400),),
            (DOWN, GOOD),
            (DOWN, DOWN, DOWN),
            (stream(event("x"), StreamBroken("c")),),
        ):
            rooms = _Scripted(*scripts)
            with_courses(rooms, roads=Roads(healths, None, Soon()))
            await rooms.serve(chat())
            assert all(health.in_flight == 0 for health in healths.names().values())

    run(test)


@pytest.mark.parametrize("method", ["ready", "config"])
def test_what_we_say_of_a_model_says_nothing_of_its_deployments(method: str):
    async def test() -> None:
        to = tuple(msgspec.structs.replace(each, credential=b"x: k\r\n") for each in (PROVIDER, OTHER))
        rooms = _Scripted(DOWN, to=to)
        reply = await rooms.serve(incoming("GET", f"/v2/models/m/{method}"))
        assert (reply.status, reply.header("x-weighbridge-provider")) == (200, "weighbridge")
        assert (rooms.wires, rooms.record.provider) == ([], "weighbridge")
        assert not rooms.pipeline.courses.roads.healths.known()

    run(test)
