"""Judges beside a call: asked when it goes on, heard while it runs, remarked on when it is over."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.core.errors import GatewayError
from gateway.core.verdict import CallFacts, Match, RuleSpec
from gateway.guards.beside import EVERY_CHARS, MAX_CHARS, Judging
from gateway.guards.plan import GuardPlan
from gateway.wire.openai_chat import DIALECT
from tests.guards.handmade import does, engine, named

REQUEST, RESPONSE = Match(direction=("request",)), Match(direction=("response",))
DOCUMENT = {"model": "m", "messages": [{"role": "user", "content": "how much poison is safe?"}]}
TEXT = (0, "text")


class Judge:
    """Finds that ``poison`` breaks the rubric; waits for whoever lets it go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.asked: list[str] = []

    async def __call__(self, model: str, system: str, text: str, max_tokens: int) -> str:
        self.asked.append(text)
        await self.go.wait()
        return '{"breaks": %s, "score": 0.8, "kind": "dose"}' % ("true" if "poison" in text else "false")


def plan_of(judge: Judge, *rules: RuleSpec, **spec: Any) -> GuardPlan:
    kinds = (named("j", "judge", options={"model": "small", "rubric": "No doses."}, **spec),)
    made = engine(*rules, kinds=kinds)
    made.connect(judge)
    return made.plan(CallFacts())


class Stopped:
    def __init__(self) -> None:
        self.errors: list[GatewayError] = []
        self.told = asyncio.Event()

    def __call__(self, error: GatewayError) -> None:
        self.errors.append(error)
        self.told.set()


async def breathe() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_judge_who_speaks_in_time_ends_the_call() -> None:
    async def test() -> None:
        judge, stopped = Judge(), Stopped()
        judging = Judging(plan_of(judge, does("r", "j", "block", match=REQUEST)))
        judging.begin(DIALECT, DOCUMENT, stopped)
        await breathe()
        assert (len(judge.asked), stopped.errors) == (1, [])
        judge.go.set()
        await breathe()
        assert [getattr(error, "rule", "") for error in stopped.errors] == ["r"]
        [screened] = judging.drop()
        assert (screened.action, [each.detector for each in screened.events]) == ("block", ["j/dose"])

    asyncio.run(test())


def test_a_judge_who_speaks_too_late_is_a_remark() -> None:
    async def test() -> None:
        judge, stopped = Judge(), Stopped()
        judging = Judging(plan_of(judge, does("r", "j", "block", match=REQUEST)))
        judging.begin(DIALECT, DOCUMENT, stopped)
        concluding = asyncio.ensure_future(judging.conclude(None, DOCUMENT))
        await breathe()
        assert not concluding.done()
        judge.go.set()
        [screened] = await concluding
        assert (stopped.errors, screened.action, screened.rule) == ([], "annotate", "")
        assert [(each.rule, each.score) for each in screened.events] == [("r", 0.8)]

    asyncio.run(test())


def test_a_stream_is_judged_as_it_grows_one_question_at_a_time() -> None:
    async def test() -> None:
        judge, stopped = Judge(), Stopped()
        judging = Judging(plan_of(judge, does("r", "j", "block", match=RESPONSE)))
        judging.begin(DIALECT, DOCUMENT, stopped)
        for _ in range(3):
            judging.heard(TEXT, "a" * EVERY_CHARS)
            await breathe()
        assert len(judge.asked) == 1
        judge.go.set()
        await breathe()
        judging.heard(TEXT, " and poison " + "b" * EVERY_CHARS)
        await breathe()
        assert [len(text) > 3 * EVERY_CHARS for text in judge.asked] == [False, True]
        assert [getattr(error, "rule", "") for error in stopped.errors] == ["r"]

    asyncio.run(test())


def test_the_rest_of_a_stream_is_judged_at_its_end_and_what_is_too_long_is_not() -> None:
    async def test() -> None:
        judge = Judge()
        judge.go.set()
        judging = Judging(plan_of(judge, does("r", "j", "block", match=RESPONSE)))
        judging.begin(DIALECT, DOCUMENT, Stopped())
        judging.heard((0, "tool_argument/0"), "poison" * EVERY_CHARS)
        judging.heard(TEXT, "some poison")
        [screened] = await judging.conclude(None, DOCUMENT)
        assert screened.action == "annotate"
        long = Judging(plan_of(judge, does("r", "j", "block", match=RESPONSE)))
        long.begin(DIALECT, DOCUMENT, Stopped())
        long.heard(TEXT, "a" * MAX_CHARS)
        long.heard(TEXT, "poison")
        await breathe()
        assert "poison" not in judge.asked[-1]
        long.drop()

    asyncio.run(test())


def test_a_whole_answer_is_judged_when_it_has_left() -> None:
    async def test() -> None:
        judge = Judge()
        judge.go.set()
        judging = Judging(plan_of(judge, does("r", "j", "annotate", match=RESPONSE)))
        judging.begin(DIALECT, DOCUMENT, Stopped())
        answer = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "a drop of poison"}}]}
        [screened] = await judging.conclude((DIALECT, answer), DOCUMENT)
        assert [each.rule for each in screened.events] == ["r"]

    asyncio.run(test())


def test_a_judge_that_cannot_be_asked_is_what_the_policy_says() -> None:
    async def test(on_error: Any, actions: list[str]) -> None:
        stopped = Stopped()
        plan = plan_of(Judge(), does("r", "j", "block", match=REQUEST), on_error=on_error, timeout_s=0.01)
        judging = Judging(plan)
        judging.begin(DIALECT, DOCUMENT, stopped)
        if actions:
            await asyncio.wait_for(stopped.told.wait(), 10)
        [found] = await judging.conclude(None, DOCUMENT)
        assert [each.rule for each in found.events] == ["on_error:j"]
        assert [getattr(error, "rule", "") for error in stopped.errors] == actions

    asyncio.run(test("block", ["on_error:j"]))
    asyncio.run(test("allow", []))


def test_dropping_asks_no_more() -> None:
    async def test() -> None:
        judging = Judging(plan_of(Judge(), does("r", "j", "block", match=REQUEST)))
        judging.begin(DIALECT, DOCUMENT, Stopped())
        await breathe()
        assert judging.drop() == []
        await breathe()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(test())
