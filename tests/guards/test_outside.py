"""Asking outside: only about what rules want to hear of, side by side, each within its time."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.core.segments import Segment
from gateway.core.verdict import Globs, Match
from gateway.guards.outside import ask
from tests.guards.handmade import does, engine, named
from tests.guards.test_plan import FACTS

SEGMENTS = (Segment(("a",), "user", "text", "poison"), Segment(("b",), "tool", "tool_result", "poison", tool="mail"))


def test_detectors_are_asked_side_by_side() -> None:
    async def test() -> None:
        met = asyncio.Barrier(2)

        async def meet() -> None:
            await met.wait()

        kinds = tuple(named(name, "oracle", options={"answer": meet}) for name in ("one", "two"))
        side = engine(does("r", "one|two", "block"), kinds=kinds).plan(FACTS).request
        opinions = await asyncio.wait_for(ask(side, side.asks, SEGMENTS), 10)
        assert opinions.failed == {}
        assert {name: sorted(found) for name, found in opinions.found.items()} == {"one": [0, 1], "two": [0, 1]}

    asyncio.run(test())


def test_nobody_is_asked_about_texts_that_no_rule_admits() -> None:
    async def test() -> None:
        guards = engine(does("r", "oracle", "block", match=Match(tool=Globs(include=("mail",)))))
        side = guards.plan(FACTS).request
        detector: Any = guards.kit.askers["oracle"].detector
        opinions = await ask(side, side.asks, SEGMENTS)
        assert (sorted(opinions.found["oracle"]), detector.asked) == ([1], [["poison"]])
        await ask(side, side.asks, SEGMENTS[:1])
        assert len(detector.asked) == 1

    asyncio.run(test())


def test_texts_too_long_are_not_sent() -> None:
    async def test() -> None:
        side = engine(does("r", "oracle", "block"), max_chars=5).plan(FACTS).request
        assert (await ask(side, side.asks, SEGMENTS)).failed == {"oracle": "too long"}

    asyncio.run(test())
