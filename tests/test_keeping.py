from __future__ import annotations

from typing import Any

import pytest

from gateway.core.cache_rules import CacheRules, ExactRule
from tests.support.rooms import USAGE, Rooms, answer, chat, run, whole

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
