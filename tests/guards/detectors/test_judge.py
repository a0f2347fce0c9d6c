from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.core.errors import Misconfigured
from gateway.core.verdict import DetectorSpec
from gateway.guards.detectors.judge import Busy, JudgeDetector, Unreachable, Unreadable, build
from gateway.guards.line import Line
from gateway.plugin.guard import About

USER, TOOL = About("request", "user"), About("request", "tool", "tool_result")
RUBRIC = "No medical advice."


class Model:
    """Answers what it is told to, and remembers what it was asked."""

    def __init__(self, answer: str, before: Any = None) -> None:
        self.answer = answer
        self.before = before
        self.asked: list[tuple[str, str, str, int]] = []

    async def __call__(self, model: str, system: str, text: str, max_tokens: int) -> str:
        self.asked.append((model, system, text, max_tokens))
        if self.before is not None:
            await self.before()
        return self.answer


def judge(model: Model | None, **options: Any) -> JudgeDetector:
    line = Line()
    line.ask = model
    return build(DetectorSpec(name="j", use="judge", options={"model": "small", "rubric": RUBRIC, **options}), line)


def findings(answer: str) -> list[tuple[str, float | None]]:
    [found] = asyncio.run(judge(Model(answer)).judge([("a text", USER)]))
    return [(each.kind, each.score) for each in found]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ('{"breaks": true, "score": 0.9, "kind": "Dosage!"}', [("dosage", 0.9)]),
        ('{"breaks": true}', [("breaks", 1.0)]),
        ('{"breaks": false, "score": 0.9}', []),
        ('I think it may: {"breaks": false}\n```json\n{"breaks": true, "score": 7}\n```', [("breaks", 1.0)]),
    ],
)
def test_a_judgement_is_read(answer: str, found: list[tuple[str, float | None]]) -> None:
    assert findings(answer) == found


@pytest.mark.parametrize("answer", ["", "yes", "{}", '{"breaks": "true"}', '{"breaks": 1}', "[true]", '{"breaks": tru'])
def test_what_is_no_judgement_is_an_error(answer: str) -> None:
    with pytest.raises(Unreadable):
        findings(answer)


def test_the_question_holds_the_rubric_and_the_texts_between_lines_nobody_can_guess() -> None:
    model = Model('{"breaks": true}')
    found = asyncio.run(judge(model, max_tokens=99).judge([("first", USER), ("second", TOOL)]))
    assert [len(each) for each in found] == [0, 1]
    [(name, system, text, most)] = model.asked
    assert (name, most) == ("small", 99)
    assert RUBRIC in system
    fence, *lines, last = text.split("\n")
    assert (len(fence), fence, lines) == (24, last, ["[user] first", "[tool] second"])
    assert fence in system
    asyncio.run(judge(model).judge([("first", USER)]))
    assert model.asked[-1][2].split("\n")[0] != fence


def test_only_the_newest_characters_are_shown() -> None:
    model = Model('{"breaks": false}')
    asyncio.run(judge(model, max_chars=10).judge([("x" * 50, USER), ("123456", USER)]))
    assert model.asked[0][2].split("\n")[1:-1] == ["[user] xxxx", "[user] 123456"]
    asyncio.run(judge(model, max_chars=4).judge([("x" * 50, USER), ("123456", USER)]))
    assert model.asked[1][2].split("\n")[1:-1] == ["[user] 3456"]


def test_questions_under_way_are_bounded() -> None:
    async def test() -> None:
        go = asyncio.Event()
        detector = judge(Model('{"breaks": true}', go.wait), max_in_flight=2)
        asked = [asyncio.ensure_future(detector.judge([("t", USER)])) for _ in range(2)]
        await asyncio.sleep(0)
        assert detector.in_flight == 2
        with pytest.raises(Busy):
            await detector.judge([("t", USER)])
        asked[0].cancel()
        go.set()
        await asyncio.gather(*asked, return_exceptions=True)
        assert detector.in_flight == 0
        assert len(await detector.judge([("t", USER)])) == 1

    asyncio.run(test())


def test_without_a_gateway_nobody_can_be_asked() -> None:
    with pytest.raises(Unreachable):
        asyncio.run(judge(None).judge([("t", USER)]))


def test_a_judge_needs_a_model_and_a_rubric() -> None:
    with pytest.raises(Misconfigured, match="needs a model and a rubric"):
        build(DetectorSpec(name="j", use="judge", options={"model": "m"}), Line())
