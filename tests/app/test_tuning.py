from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.app.models import Door, Models
from gateway.app.policies import build_engine
from gateway.app.tuning import NothingToTune, Weigher, table
from gateway.policy.load import bundle_of
from tests.support.scorers import Room

POLICY = """\
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: n}
detectors:
  inj: {use: injection, target_fpr: 1%}
  keys: {use: secrets}
  lang: {use: language, allow: [en]}
  hook: {use: webhook, url: 'http://localhost:9/'}
  idle: {use: toxicity, min_score: 0.9}
rules:
  - {id: a, match: {direction: request, role: user}, when: inj or keys, do: block, mode: audit}
  - {id: b, match: {direction: response}, when: inj, do: block, mode: audit}
  - {id: c, match: {direction: request, role: user}, when: lang, do: annotate, mode: audit}
  - {id: d, match: {direction: request}, when: hook, do: annotate, mode: audit}
"""


def weigher(room: Room, name: str) -> Weigher:
    loaded = bundle_of([("p", POLICY)])
    assert loaded.problems == ()
    return Weigher(build_engine(loaded, "p", door=Door(Models(room))), name)


def row(*texts: str, answer: str | None = None) -> dict[str, Any]:
    roles = ("user", "assistant")
    messages = [{"role": roles[number % 2], "content": text} for number, text in enumerate(texts)]
    choices = [{"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}]
    return {
        "route": "/v1/chat/completions",
        "bodies": {
            "request_body": orjson.dumps({"model": "m", "messages": messages}).decode(),
            "response_body": None if answer is None else orjson.dumps({"choices": choices}).decode(),
        },
    }


def test_a_call_weighs_what_its_heaviest_text_does() -> None:
    async def test() -> None:
        made = weigher(Room(), "inj")
        assert await made.weigh(row("tea, hm", "poison", "bait")) == 0.7
        assert await made.weigh(row("tea", answer="venom")) == 0.65
        assert await made.weigh(row("tea")) == 0.0
        assert await made.weigh({"bodies": {}}) is None
        assert await made.weigh({"bodies": {"request_body": "{cut", "response_body": None}}) is None

    asyncio.run(test())


def test_texts_of_a_conversation_are_weighed_once() -> None:
    async def test() -> None:
        room = Room()
        made = weigher(room, "inj")
        for turns in (["one"], ["one", "x", "two"], ["one", "x", "two", "y", "three"]):
            await made.weigh(row(*turns))
        assert room.asked == ["one", "two", "three"]
        assert set(room("injection").at) == {0.0}

    asyncio.run(test())


def test_detectors_that_score_by_themselves_can_be_tuned_too() -> None:
    german = "Morgen fahren wir zusammen mit dem Zug nach Berlin und besuchen dort unsere guten Freunde."
    made = weigher(Room(), "lang")
    score = asyncio.run(made.weigh(row(german)))
    assert score is not None
    assert 0 < score <= 1


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nobody", "no detector is named 'nobody'"),
        ("idle", "no rule asks the detector 'idle'"),
        ("keys", "gives no scores"),
        ("hook", "asks somebody else"),
    ],
)
def test_what_cannot_be_tuned(name: str, said: str) -> None:
    with pytest.raises(NothingToTune, match=said):
        weigher(Room(), name)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=300), st.sampled_from([0.5, 0.1, 0.03, 0.01]))
def test_a_threshold_flags_no_more_than_its_share(scores: list[float], target: float) -> None:
    marks = table(scores, target)
    assert target in [mark.target_fpr for mark in marks]
    before = -1.0
    for mark in marks:
        if mark.min_score is None:
            assert mark.target_fpr * len(scores) < 1
            continue
        assert mark.flagged == sum(score >= mark.min_score for score in scores)
        assert mark.share == mark.flagged / len(scores) <= mark.target_fpr
        assert mark.min_score >= before
        before = mark.min_score


def test_a_threshold_is_as_low_as_its_share_allows() -> None:
    marks = {mark.target_fpr: mark for mark in table([number / 1000 for number in range(1000)], 0.01)}
    assert (marks[0.01].min_score, marks[0.01].flagged) == (0.9891, 10)
    assert (marks[0.1].min_score, marks[0.1].flagged) == (0.8991, 100)
    assert (marks[0.001].min_score, marks[0.001].flagged) == (0.9981, 1)
