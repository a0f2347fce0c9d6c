"""Hours are counted once they are over, windows compared, and what begins and ends is told once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import orjson

from gateway.clients.clock import SystemClock
from gateway.config.drifting import Drift
from gateway.core.drift import Thresholds
from gateway.core.drift_hours import HOUR_S, Hour, Span
from gateway.core.ids import IdSource
from gateway.operator.drift_book import DriftBook
from gateway.operator.drift_watch import KEPT_FILE, SETTLE_S, DriftWatch
from gateway.operator.plane import OpenStore, Plane
from gateway.operator.queries import TraceQueries
from gateway.operator.store import TraceStore
from tests.support.clock import ManualClock
from tests.support.drift_traffic import BEGIN_S, WEEK_S, Change, Traffic
from tests.support.drivers import opened
from tests.support.records import lines, record

# A Wednesday at noon, with four weeks before it.
CHANGED_S = BEGIN_S + 4 * WEEK_S + 2 * 86_400 + 12 * HOUR_S
# Calls are kept for a while only, so those that are counted here are of yesterday.
LATELY_S = SystemClock().unix_ms() // 1000 // HOUR_S * HOUR_S - 24 * HOUR_S
RULES = Drift(span=Span(hours=3, weeks=3), embed=False)


class Scene:
    """A store, a clock, and what is told."""

    def __init__(self, folder: Path, driver: Any) -> None:
        (folder / "run").mkdir()
        self.clock = ManualClock(CHANGED_S * 1000)
        self.plane = Plane(folder / "run", self.clock)
        self.store = TraceStore(driver)
        self.book = DriftBook(driver)
        self.told: list[dict[str, Any]] = []

    async def open(self) -> None:
        await self.store.start()
        self.plane.open_store = OpenStore(self.store, TraceQueries(self.store.driver, self.clock))

    async def fill(self, hours: dict[int, Hour]) -> None:
        rows = [msgspec.structs.asdict(hour) for hour in hours.values()]
        made = [orjson.dumps({**row, "hour": row["hour_s"]}, option=orjson.OPT_NON_STR_KEYS) for row in rows]
        await self.store.driver.insert_lines("drift_hours", b"\n".join(made), f"fill-{min(hours)}")

    def at(self, unix_s: int) -> None:
        """Some minutes after what has happened by then is counted."""
        self.clock.advance(unix_s + SETTLE_S + 60 - self.clock.unix_ms() // 1000)

    def watch(self, rules: Drift = RULES) -> DriftWatch:
        return DriftWatch(rules, self.plane, IdSource(bytes), self.told.append)


def staged(folder: Path, scenario: Any) -> None:
    async def run() -> None:
        async with opened("chdb") as driver:
            scene = Scene(folder, driver)
            await scene.open()
            await scenario(scene)

    asyncio.run(run())


def test_what_begins_is_told_once_and_its_end_once_over_a_restart(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        traffic = Traffic(21)
        hours = traffic.hours((CHANGED_S - BEGIN_S) // HOUR_S)
        hours |= traffic.hours(4, Change(refusals=10), from_s=CHANGED_S)
        hours |= traffic.hours(8, from_s=CHANGED_S + 4 * HOUR_S)
        await scene.fill(hours)
        watch = scene.watch()
        # What ended before the start is compared, too.
        scene.at(CHANGED_S)
        await watch.look()
        assert scene.told == []
        assert watch.compared_s == CHANGED_S
        assert await scene.book.judged_until() == CHANGED_S

        scene.at(CHANGED_S + 4 * HOUR_S)
        await watch.look()
        began = {each["rule"]: each for each in scene.told}
        assert {"drift.refusals", "drift.refusals_told"} >= began.keys() > set()
        assert {each["state"] for each in scene.told} == {"firing"}
        one = scene.told[0]
        assert (one["type"], one["match"]) == ("weighbridge.alert", {"alias": ["assistant"]})
        assert one["facts"]["now"] > one["facts"]["usual"]
        assert "assistant: answers that" in one["summary"]
        firing = watch.firing

        # Another start: the window is shown again, nothing is told again.
        again = scene.watch()
        assert sorted(again.firing) == sorted(firing)
        await again.look()
        assert again.latest.keys() == {("assistant", "")}
        assert len(scene.told) == len(began)

        scene.at(CHANGED_S + 12 * HOUR_S)
        await again.look()
        ended = {each["rule"]: each for each in scene.told[len(began) :]}
        assert ended.keys() == began.keys()
        assert {each["state"] for each in ended.values()} == {"resolved"}
        assert all(ended[rule]["episode"] == began[rule]["episode"] for rule in ended)
        assert again.firing == []

    staged(tmp_path, scenario)


def chat(question: str) -> str:
    return orjson.dumps({"messages": [{"role": "user", "content": question}]}).decode()


def said(answer: str) -> str:
    return orjson.dumps({"choices": [{"message": {"role": "assistant", "content": answer}}]}).decode()


def test_an_hour_of_last_week_is_counted_again_when_a_store_that_was_away_gets_its_calls(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        at_s = LATELY_S - 6 * 24 * HOUR_S
        scene.at(LATELY_S)
        watch = scene.watch()
        for count, batch in ((24, "some"), (16, "rest")):
            some = [record(started_us=at_s * 1_000_000 + number, alias="assistant") for number in range(count)]
            await scene.store.insert(lines(*some), batch)
            await watch.look()
        (hour,) = (await scene.book.hours(("assistant", ""), at_s, at_s + HOUR_S, 1)).values()
        assert hour.calls == 40

    staged(tmp_path, scenario)


def test_an_hour_is_counted_and_read_once_it_is_over_and_again_when_calls_come_late(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        at_us = LATELY_S * 1_000_000
        calls = [
            record(
                started_us=at_us + number,
                alias="assistant",
                request_body=chat("What is the name of the river that is in the north of the country?"),
                response_body=said("I'm sorry, but I can't help with that." if number < 3 else "It is the river Aire."),
            )
            for number in range(10)
        ]
        await scene.store.insert(lines(*calls), "first")
        watch = scene.watch()
        scene.at(LATELY_S + HOUR_S - 120)
        await watch.look()
        assert await scene.book.kept(LATELY_S, LATELY_S + HOUR_S) == {}
        scene.at(LATELY_S + HOUR_S)
        await watch.look()
        await watch.look()
        (hour,) = (await scene.book.hours(("assistant", ""), LATELY_S, LATELY_S + HOUR_S, 1)).values()
        assert (hour.calls, hour.questions, hour.answers, hour.worded_refusals) == (10, 10, 10, 3)
        assert hour.question_languages == {"en": 10}
        assert (hour.embedded, hour.embedding) == (0, [])
        states = {each.measure: each.finding.state for each in watch.latest["assistant", ""]}
        assert states["refusals"] == "too little data"
        assert states["questions"] == "not measured"

        await scene.store.insert(lines(record(started_us=at_us + 99, alias="assistant")), "late")
        await watch.look()
        (hour,) = (await scene.book.hours(("assistant", ""), LATELY_S, LATELY_S + HOUR_S, 1)).values()
        assert (hour.calls, hour.questions) == (11, 10)

    staged(tmp_path, scenario)


def test_more_aliases_than_are_told_apart_are_counted_as_left_out(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        hours = [Hour(hour_s=CHANGED_S - HOUR_S, alias=f"a{number}", calls=number + 1) for number in range(5)]
        await scene.book.keep(hours, 15)
        watch = scene.watch(msgspec.structs.replace(RULES, subjects=2))
        scene.at(CHANGED_S)
        await watch.look()
        assert list(watch.latest) == [("a4", ""), ("a3", "")]
        assert watch.left_out == 3

    staged(tmp_path, scenario)


def test_what_has_no_calls_any_more_is_over(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        low = msgspec.structs.replace(RULES, thresholds=Thresholds(calls=10))
        traffic = Traffic(22)
        hours = traffic.hours((CHANGED_S - BEGIN_S) // HOUR_S)
        hours |= traffic.hours(3, Change(model="m-2"), from_s=CHANGED_S)
        await scene.fill(hours)
        watch = scene.watch(low)
        scene.at(CHANGED_S + 2 * HOUR_S)
        await watch.look()
        assert ("assistant", "", "model") in watch.firing
        scene.at(CHANGED_S + 8 * HOUR_S)
        await watch.look()
        assert watch.firing == []
        assert [each["state"] for each in scene.told if each["rule"] == "drift.model"] == ["firing", "resolved"]

    staged(tmp_path, scenario)


def test_while_the_store_is_away_looks_fail_and_nothing_is_said(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = ManualClock(CHANGED_S * 1000)
        (tmp_path / "run").mkdir()
        told: list[dict[str, Any]] = []
        watch = DriftWatch(RULES, Plane(tmp_path / "run", clock), IdSource(bytes), told.append)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(watch.watch())
            for failed in (1, 2):
                while not clock.sleepers:
                    await asyncio.sleep(0)
                clock.advance(RULES.every_s)
                while watch.looks["failed"] < failed:
                    await asyncio.sleep(0)
            task.cancel()
        assert watch.looks == {"good": 0, "failed": 2}
        assert told == []

    asyncio.run(scenario())


def test_a_file_that_cannot_be_read_is_no_reason_to_stop(tmp_path: Path) -> None:
    (tmp_path / KEPT_FILE).write_text("{")
    assert DriftWatch(RULES, Plane(tmp_path, ManualClock()), IdSource(bytes)).firing == []
