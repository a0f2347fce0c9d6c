from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.core.cache_rules import CacheRules, ExactRule
from gateway.core.errors import ConnectFailed
from gateway.core.exchange import RoutePolicy
from gateway.core.ports import AnswerSink
from gateway.roads import Roads
from gateway.routing.health import Healths
from gateway.routing.table import RouteEntry, Router
from tests.support.rooms import PROVIDER, USAGE, Rooms, Script, answer, chat, failing, run, whole
from tests.test_course import with_courses

TOLD: list[tuple[Any, str]] = [
    (whole(answer(usage=USAGE), status=404), "refused_error"),
    (whole(answer("x" * 2000)), "refused_size"),
    (whole(answer(choices=[{"index": 0, "message": {"content": "a"}, "finish_reason": None}])), "refused_end"),
    (whole(answer(usage=USAGE)), "stored"),
]


@pytest.mark.parametrize(("script", "result"), TOLD, ids=[result for _, result in TOLD])
def test_why_an_answer_is_not_kept_is_counted(script: Any, result: str):
    async def test() -> None:
        rooms = Rooms(script, cache=CacheRules(exact=ExactRule(max_bytes=1000)))
        assert rooms.answers is not None
        await rooms.serve(chat())
        assert rooms.answers.counts.results == {"miss": 1, result: 1}

    run(test)


def test_all_choices_must_have_ended_well():
    async def test() -> None:
        ends = ("stop", "content_filter")
        choices = [{"index": at, "message": {"content": "a"}, "finish_reason": end} for at, end in enumerate(ends)]
        rooms = Rooms(whole(answer(choices=choices, usage=USAGE)), cache=CacheRules())
        assert rooms.answers is not None
        await rooms.serve(chat(n=2))
        assert rooms.answers.counts.results["refused_end"] == 1

    run(test)


OTHER = msgspec.structs.replace(PROVIDER, provider="q", base_url="http://q.example/v1")
DOWN = failing(ConnectFailed("down"))
GOOD = whole(answer(usage=USAGE))


async def made_of(entries: tuple[RouteEntry, ...], scripts: list[Any], calls: int) -> Rooms:
    """Rooms whose alias has several deployments, after so many calls that ask the same."""

    def play(sink: AnswerSink) -> None:
        script: Script = scripts.pop(0)
        script(sink)

    rooms = Rooms(play, cache=CacheRules())
    router = Router(entries, {}, {"m": RoutePolicy(strategy="round_robin")})
    with_courses(rooms, router=router, roads=Roads(Healths(lambda: rooms.clock.monotonic_ns() / 1e9)))
    for _ in range(calls):
        await rooms.serve(chat())
    return rooms


def test_what_any_of_an_alias_deployments_says_is_kept_for_all():
    async def test() -> None:
        entries = (RouteEntry(alias="m", deployment=PROVIDER), RouteEntry(alias="m", deployment=OTHER))
        rooms = await made_of(entries, [DOWN, GOOD], 3)
        assert [each.cache for each in rooms.records] == ["miss", "hit-exact", "hit-exact"]
        assert [len(each.attempts) for each in rooms.records] == [2, 0, 0]

    run(test)


def test_what_steps_in_for_them_is_not_kept():
    async def test() -> None:
        entries = (
            RouteEntry(alias="m", deployment=PROVIDER),
            RouteEntry(alias="m", deployment=OTHER, fallback=True),
        )
        rooms = await made_of(entries, [DOWN, GOOD, GOOD], 3)
        assert [each.cache for each in rooms.records] == ["miss", "miss", "hit-exact"]
        assert rooms.answers is not None
        assert rooms.answers.counts.results["refused_elsewhere"] == 1

    run(test)
