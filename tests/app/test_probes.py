"""When a deployment is asked without a call, what comes of it, and that it never costs more than it may."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import orjson
import pytest

from gateway.app.probes import MOST_AT_ONCE, Probes
from gateway.config.settings import Settings
from gateway.core.errors import ConnectFailed, FirstTokenTimeout
from gateway.core.exchange import Deployment, ProbeRule, RoutePolicy
from gateway.core.ports import AnswerSink
from gateway.core.record import ExchangeRecord
from gateway.pipeline import Pipeline
from gateway.recording.metrics import Metrics
from gateway.routing.health import Health
from gateway.routing.table import RouteEntry, Router
from tests.support.rooms import (
    DONE,
    ONE_AT_A_TIME,
    PROVIDER,
    USAGE,
    Rooms,
    Script,
    answer,
    chat,
    event,
    failing,
    run,
    stream,
    whole,
)
from tests.support.settings import good, load

RULE = ProbeRule()
# What a probe takes at first, and what the answer below costs then.
LIKELY, COST = 32 * 1000 + 16 * 2000, 10 * 1000 + 4 * 2000
WELL = stream(event("pong"), event(), event(usage=USAGE), DONE)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder: Path = tmp_path_factory.mktemp("home")
    return good(load(folder))


class Probing:
    """A pipeline whose deployments are probed, and a clock to set."""

    def __init__(
        self,
        settings: Settings,
        script: Script | None = WELL,
        rule: ProbeRule | None = RULE,
        deployments: tuple[Deployment, ...] = (PROVIDER,),
        alias: str = "m",
        **more: Any,
    ) -> None:
        self.rooms = Rooms(script, limits=more.get("limits", ()))
        self.policy = RoutePolicy(probe=rule)
        policies = {alias: self.policy}
        lines = tuple(RouteEntry(alias=alias, deployment=each) for each in deployments)
        courses = msgspec.structs.replace(self.rooms.pipeline.courses, router=Router(lines, policies=policies))
        self.pipeline: Pipeline = msgspec.structs.replace(self.rooms.pipeline, courses=courses)
        self.settings = msgspec.structs.replace(settings, routes=policies, workers=more.get("workers", 1))
        self.metrics = Metrics(0, self.rooms.clock.unix_ms)
        numbers = iter(range(1, 1000))
        self.probes = Probes(
            self.rooms, self.metrics, self.rooms.clock, lambda _: f"probe-{next(numbers)}", Random(1)
        )  # fmt: skip
        self.probes.install(self.pipeline, self.settings)

    @property
    def now_s(self) -> float:
        return self.rooms.clock.monotonic_ns() / 1e9

    def health(self, deployment: Deployment = PROVIDER) -> Health:
        return self.pipeline.courses.roads.healths.of(deployment, self.policy.breaker)

    async def after(self, seconds: float) -> list[ExchangeRecord]:
        """Let time pass, and give the records of the probes that were made at its end."""
        before = len(self.rooms.records)
        self.rooms.clock.advance(seconds)
        self.probes.tick()
        await self.over()
        return self.rooms.records[before:]

    async def over(self) -> None:
        async with asyncio.timeout(20):
            while self.probes.under_way:
                await asyncio.sleep(0)

    @property
    def sent(self) -> list[Any]:
        return [orjson.loads(each.sent.partition(b"\r\n\r\n")[2]) for each in self.rooms.wires]

    @property
    def tries(self) -> dict[Any, int]:
        return dict(self.metrics.snapshot().tries)


def test_who_has_no_calls_is_asked_now_and_then_and_what_comes_of_it_is_noted(settings: Settings):
    async def test() -> None:
        made = Probing(settings)
        assert await made.after(0.5) == []
        (record,) = await made.after(30.0)
        assert made.sent == [
            {
                "model": "m",
                "messages": [{"role": "user", "content": "ping"}],
                "max_tokens": 16,
                "stream": True,
                "stream_options": {"include_usage": True},
            }
        ]
        assert (record.tags, record.alias, record.provider, record.status) == ({"weighbridge": "probe"}, "m", "p", 200)
        assert (record.cost_nanousd, record.verdict, record.request_body) == (COST, "allow", None)
        assert [each.kind for each in record.attempts] == ["probe"]
        health = made.health()
        assert (health.calls, health.in_flight, health.failures) == (1, 0, 0)
        snapshot = made.metrics.snapshot()
        assert (made.tries, snapshot.cells) == ({("p", "probe", "ok"): 1}, [])
        assert (snapshot.probes[0].spent_nanousd, snapshot.probes[0].held_back) == (COST, 0)
        assert await made.after(29.0) == []
        # A client's call says as much as a probe would.
        health.begin(made.now_s)
        assert await made.after(29.0) == []
        health.leave()
        assert await made.after(0.5) == []
        assert len(await made.after(1.0)) == 1

    run(test)


def test_who_answers_whole_is_alive_too(settings: Settings):
    async def test() -> None:
        made = Probing(settings, whole(answer(usage=USAGE)))
        (record,) = await made.after(31.0)
        assert (record.tags, record.cost_nanousd) == ({"weighbridge": "probe"}, COST)
        assert (made.tries, made.metrics.snapshot().cells) == ({("p", "probe", "ok"): 1}, [])
        assert made.metrics.spend("m").spent_nanousd == COST

    run(test)


def test_who_was_left_alone_is_asked_as_soon_as_its_breaker_wants_to_know(settings: Settings):
    async def test() -> None:
        scripts = [failing(ConnectFailed("no")), whole(b"{}", 503), WELL]

        def play(sink: AnswerSink) -> None:
            scripts.pop(0)(sink)

        made = Probing(settings, play, ProbeRule(every_s=3600.0))
        health = made.health()
        for _ in range(3):
            health.begin(made.now_s)
            health.fail(made.now_s, "connect", None, 0.1)
        for open_s in (2.0, 4.0):
            # While it is open nobody asks.
            assert await made.after(open_s - 0.1) == []
            (record,) = await made.after(0.2)
            assert record.status >= 500
            assert health.breaker.state(made.now_s) == "open"
        assert await made.after(7.0) == []
        (record,) = await made.after(1.5)
        assert (record.status, health.breaker.state(made.now_s), health.in_flight) == (200, "closed", 0)
        assert made.tries == {
            ("p", "probe", "upstream_error"): 1, ("p", "probe", "5xx"): 1, ("p", "probe", "ok"): 1,
        }  # fmt: skip
        # Errors cost nothing; for silence something may have been paid.
        assert made.metrics.spend("m").spent_nanousd == LIKELY + COST
        assert await made.after(60.0) == []

    run(test)


def test_a_probe_that_the_request_itself_spoils_says_nothing_and_does_not_come_again_at_once(settings: Settings):
    async def test() -> None:
        made = Probing(settings, whole(b'{"error": {}}', 400))
        health = made.health()
        for _ in range(3):
            health.begin(made.now_s)
            health.fail(made.now_s, "connect", None, 0.1)
        assert len(await made.after(2.5)) == 1
        assert (health.breaker.state(made.now_s), health.failures) == ("half_open", 3)
        assert await made.after(1.0) == []
        assert len(await made.after(30.0)) == 1

    run(test)


def test_who_asked_for_rest_gets_it(settings: Settings):
    async def test() -> None:
        made = Probing(settings)
        health = made.health()
        health.begin(made.now_s)
        health.fail(made.now_s, "429", 50.0, 0.1)
        assert await made.after(45.0) == []
        assert len(await made.after(10.0)) == 1

    run(test)


def test_a_probe_has_its_own_timers_and_an_old_answer_is_a_slow_one(settings: Settings):
    async def test() -> None:
        made = Probing(settings, failing(FirstTokenTimeout("late")), ProbeRule(timeout_s=3.0))
        await made.after(31.0)
        health = made.health()
        assert (health.failures, made.tries) == (1, {("p", "probe", "upstream_timeout"): 1})

    run(test)


def test_a_day_s_probes_cost_no_more_than_they_may(settings: Settings):
    async def test() -> None:
        made = Probing(settings, rule=ProbeRule(max_nanousd_per_day=100_000))
        numbers = [len(await made.after(31.0)) for _ in range(8)]
        # Each takes 64,000 at first and gives back what it did not cost.
        assert numbers == [1, 1, 1, 0, 0, 0, 0, 0]
        spend = made.metrics.spend("m")
        assert (spend.spent_nanousd, spend.held_back) == (3 * COST, 5)
        assert len(await made.after(86_400.0)) == 1
        assert spend.total_nanousd == 4 * COST

    run(test)


def test_what_has_no_price_is_asked_so_many_times_a_day(settings: Settings):
    async def test() -> None:
        own = msgspec.structs.replace(PROVIDER, provider="q", base_url="http://q.example/v1")
        made = Probing(settings, rule=ProbeRule(max_nanousd_per_day=0, max_unpriced_per_day=4), deployments=(own,))
        assert [len(await made.after(31.0)) for _ in range(6)] == [1, 1, 1, 1, 0, 0]
        several = Probing(
            settings, rule=ProbeRule(max_nanousd_per_day=0, max_unpriced_per_day=4), deployments=(own,), workers=2
        )
        # Two workers share what may be spent.
        assert [len(await several.after(31.0)) for _ in range(4)] == [1, 1, 0, 0]

    run(test)


def test_a_limit_on_the_provider_holds_for_probes_and_turns_nobody_else_away(settings: Settings):
    async def test() -> None:
        sinks: list[AnswerSink] = []
        made = Probing(settings, sinks.append, limits=(ONE_AT_A_TIME,))
        client = asyncio.ensure_future(made.rooms.serve(chat()))
        async with asyncio.timeout(20):
            while not sinks:
                await asyncio.sleep(0)
        (record,) = await made.after(31.0)
        assert (record.status, record.attempts, made.tries) == (429, [], {})
        assert made.metrics.spend("m").spent_nanousd == 0
        WELL(sinks[0])
        assert (await client).body.endswith(DONE)

    run(test)


def test_all_deployments_have_their_turn_a_few_at_a_time(settings: Settings):
    async def test() -> None:
        sinks: list[AnswerSink] = []
        many = tuple(
            msgspec.structs.replace(PROVIDER, model=f"m{at}", max_concurrency=1) for at in range(MOST_AT_ONCE + 2)
        )
        made = Probing(settings, sinks.append, deployments=many)
        made.rooms.clock.advance(31.0)
        made.probes.tick()
        made.probes.tick()
        async with asyncio.timeout(20):
            while len(sinks) < MOST_AT_ONCE:
                await asyncio.sleep(0)
        made.probes.tick()
        await asyncio.sleep(0)
        assert len(sinks) == MOST_AT_ONCE
        for sink in sinks:
            WELL(sink)
        await made.over()
        made.probes.tick()
        async with asyncio.timeout(20):
            while len(sinks) < len(many):
                await asyncio.sleep(0)
        for sink in sinks[MOST_AT_ONCE:]:
            WELL(sink)
        await made.over()
        assert sorted(each["model"] for each in made.sent) == [each.model for each in many]
        # Nobody is left who waits for a slot that no client's call has.
        assert all(not made.health(each).waiting for each in many)

    run(test)


def test_a_glob_s_deployments_are_asked_by_their_own_names(settings: Settings):
    async def test() -> None:
        named = msgspec.structs.replace(PROVIDER, kind="azure", model="small", api_version="2024-10-21")
        made = Probing(settings, deployments=(named,), alias="gpt-*")
        (record,) = await made.after(31.0)
        assert (record.model_requested, record.deployment) == ("small", "p/small")
        assert made.sent[0]["max_completion_tokens"] == 16
        assert "max_tokens" not in made.sent[0]

    run(test)


def test_a_reload_changes_who_is_asked_and_forgets_no_time(settings: Settings):
    async def test() -> None:
        made = Probing(settings)
        assert len(await made.after(31.0)) == 1
        made.probes.install(made.pipeline, made.settings)
        assert await made.after(29.0) == []
        assert len(await made.after(2.0)) == 1
        made.probes.install(made.pipeline, msgspec.structs.replace(made.settings, routes={"m": RoutePolicy()}))
        assert await made.after(3600.0) == []

    run(test)


def test_closing_ends_probes_that_are_on_their_way(settings: Settings):
    async def test() -> None:
        sinks: list[AnswerSink] = []
        made = Probing(settings, sinks.append)
        made.rooms.clock.advance(31.0)
        made.probes.tick()
        async with asyncio.timeout(20):
            while not sinks:
                await asyncio.sleep(0)
        await made.probes.close()
        await made.rooms.ended()
        assert (made.probes.under_way, made.health().in_flight) == (0, 0)
        assert "cancel" in made.rooms.log
        assert await made.after(3600.0) == []

    run(test)


def test_the_task_ticks_by_the_clock_and_ends_when_it_is_told_to(settings: Settings):
    async def test() -> None:
        made = Probing(settings)
        task = asyncio.ensure_future(made.probes.run())
        await until(lambda: made.rooms.clock.sleepers == 1)
        made.rooms.clock.advance(31.0)
        await until(lambda: bool(made.rooms.records))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def until(look: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not look():
                await asyncio.sleep(0)

    tested: Callable[[], Awaitable[None]] = test
    run(tested)
