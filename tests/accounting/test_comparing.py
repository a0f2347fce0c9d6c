"""Estimates beside reports: one call in a time, after its answer has gone, and no step for the others."""

from __future__ import annotations

import asyncio

import pytest

from gateway.accounting.comparing import Comparing
from gateway.core.ports import AnswerSink
from tests.support.clock import ManualClock
from tests.support.rooms import DONE, USAGE, Rooms, answer, chat, event, run, stream, whole

Told = list[tuple[tuple[str, str, str], int, int]]
REPORTED = [(("p", "openai", "input"), 9, 10), (("p", "openai", "output"), 2, 4)]


async def until(done: object) -> None:
    for _ in range(2_000):
        if callable(done) and done():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it did not happen")


class Scene:
    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self.clock = ManualClock()
        self.told: Told = []
        self.comparing = Comparing(self.clock.sleep, lambda key, mine, theirs: self.told.append((key, mine, theirs)))
        self.task = asyncio.get_running_loop().create_task(self.comparing.run())

    async def begin(self, every_s: float = 10.0) -> None:
        self.comparing.install(self.rooms.pipeline.ledger, every_s)
        await until(lambda: self.clock.sleepers)

    async def wanted(self, seconds: float = 10.0) -> None:
        before = self.rooms.pipeline.ledger.settle
        self.clock.advance(seconds)
        await until(lambda: self.rooms.pipeline.ledger.settle != before)

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})


@pytest.mark.parametrize("streaming", [False, True])
def test_one_call_in_a_time_is_estimated_beside_its_report(streaming: bool):
    async def test() -> None:
        script = (
            stream(event("hi there"), event(), event(usage=USAGE), DONE) if streaming else whole(answer(usage=USAGE))
        )
        scene = Scene(Rooms(script))
        await scene.begin()
        asked = chat("hello world", stream=streaming)
        await scene.rooms.serve(asked)
        assert scene.told == []
        await scene.wanted()
        await scene.rooms.serve(asked)
        await until(lambda: len(scene.told) == 2)
        assert scene.told == REPORTED
        # The next one is wanted only when its time has come.
        await scene.rooms.serve(asked)
        await until(lambda: scene.clock.sleepers)
        assert scene.told == REPORTED
        # What was recorded is what was reported.
        assert {record.usage_source for record in scene.rooms.records} == {"reported"}
        await scene.end()

    run(test)


def test_what_nobody_reported_is_passed_over_and_the_next_is_taken():
    async def test() -> None:
        answers = iter((whole(answer()), whole(answer(usage=USAGE))))

        def script(sink: AnswerSink) -> None:
            next(answers)(sink)

        scene = Scene(Rooms(script))
        await scene.begin()
        await scene.wanted()
        await scene.rooms.serve(chat("hello world"))
        await scene.rooms.serve(chat("hello world"))
        await until(lambda: len(scene.told) == 2)
        assert scene.told == REPORTED
        await scene.end()

    run(test)


def test_a_reload_hands_the_wish_on_and_off_is_off():
    async def test() -> None:
        scene = Scene(Rooms(whole(answer(usage=USAGE))))
        await scene.begin()
        await scene.wanted()
        scene.comparing.install(scene.rooms.pipeline.ledger, 0.0)
        await scene.rooms.serve(chat("hello world"))
        assert not scene.told
        scene.comparing.install(scene.rooms.pipeline.ledger, 5.0)
        await scene.rooms.serve(chat("hello world"))
        await until(lambda: len(scene.told) == 2)
        await scene.end()

    run(test)


@pytest.mark.parametrize(("memory", "taken"), [(None, True), (1 << 30, True), ((1 << 30) - 1, False)])
def test_by_default_few_bytes_are_left_to_others(memory: int | None, taken: bool):
    async def test() -> None:
        scene = Scene(Rooms(whole(answer(usage=USAGE))))
        scene.comparing.install(scene.rooms.pipeline.ledger, None, lambda: memory)
        await until(lambda: scene.clock.sleepers)
        before = scene.rooms.pipeline.ledger.settle
        scene.clock.advance(10.0)
        for _ in range(10):
            await asyncio.sleep(0)
        assert (scene.rooms.pipeline.ledger.settle != before) == taken
        await scene.end()

    run(test)


def test_off_from_the_start_takes_nobody():
    async def test() -> None:
        scene = Scene(Rooms(whole(answer(usage=USAGE))))
        await scene.begin(0.0)
        for _ in range(3):
            scene.clock.advance(100.0)
            await until(lambda: scene.clock.sleepers)
        await scene.rooms.serve(chat("hello world"))
        await scene.end()
        assert not scene.told

    run(test)
