"""Runs the tests of a policy file against the guards that it makes, as calls would meet them.

Detectors that ask somebody outside are not asked: a test says what a bundle does, not what somebody else does today.
Models are ours and say the same each day, so they are asked; where one is not built yet, the tests that would ask it
are left out.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import msgspec
import orjson

from gateway.config.source import Problem
from gateway.core.errors import Blocked
from gateway.core.record import GuardEvent
from gateway.core.verdict import Action, Screened
from gateway.guards.document import Opinions
from gateway.guards.engine import GuardEngine
from gateway.guards.outside import ask
from gateway.guards.plan import GuardPlan, Side
from gateway.guards.restore import restore_document
from gateway.guards.vault import Masks
from gateway.policy.cases import PolicyTest
from gateway.wire.openai_chat import DIALECT

_CHANNEL = (0, "text")
_FAILED = "on_error:"
_PATIENCE_S = 30.0
# What a test cannot know beforehand: the tag of a placeholder.
_ANY = re.compile(r"\\{\\{any:([0-9]{1,4})\\}\\}")


class _Outcome(msgspec.Struct):
    """What came of a test's text."""

    action: Action
    rules: set[str]
    left: Any
    route: str = ""
    masks: Masks | None = None


class Trial(msgspec.Struct, frozen=True):
    """How a test went.

    Attributes:
        test: The test.
        problems: What is not as it should be, without quoting the text.
        unasked: The model that could not be asked, and why; the test says nothing then.
    """

    test: PolicyTest
    problems: tuple[Problem, ...] = ()
    unasked: str = ""


async def _nothing() -> None:
    """What is left to do after tests that asked no model of their own."""


def run_tests(
    engine: GuardEngine, tests: Sequence[PolicyTest], closing: Callable[[], Awaitable[None]] = _nothing
) -> tuple[Trial, ...]:
    """Run tests of policy files.

    Args:
        engine: The guards that the files make.
        tests: The tests.
        closing: Lets go of the models that were asked.
    """
    asking = [test for test in tests if _asks(engine, test)]
    said: list[_Said] = []
    if asking:
        # A loop of their own, and no thread is left behind: processes may be forked after this.
        with ThreadPoolExecutor(1) as pool:
            said = pool.submit(asyncio.run, _ask_all(engine, asking, closing)).result()
    known = dict(zip(map(id, asking), said, strict=True))
    return tuple(_tried(engine, test, known.get(id(test), _Said())) for test in tests)


def run_test(engine: GuardEngine, test: PolicyTest) -> Iterator[Problem]:
    """Run one test of a policy file; yields what is not as it should be."""
    [trial] = run_tests(engine, (test,))
    yield from trial.problems


def _tried(engine: GuardEngine, test: PolicyTest, said: _Said) -> Trial:
    if said.unasked:
        return Trial(test, unasked=said.unasked)
    return Trial(test, tuple(_problems(engine, test, said)))


def _problems(engine: GuardEngine, test: PolicyTest, models: _Said) -> Iterator[Problem]:
    outcome = models.streamed or (_streamed(engine, test) if test.stream else _whole(engine, test, models))
    said = f"test '{test.name}': "
    if test.action is not None and outcome.action != test.action:
        yield Problem(test.file, test.line, f"{said}expected {test.action}, got {outcome.action}")
    if test.rule and test.rule not in outcome.rules:
        got = ", ".join(sorted(outcome.rules)) or "no rule"
        yield Problem(test.file, test.line, f"{said}expected rule '{test.rule}', got {got}")
    if test.route and outcome.route != test.route:
        yield Problem(test.file, test.line, f"{said}expected route '{test.route}', got {outcome.route or 'none'}")
    if test.output is not None and not _same(test.output, outcome.left):
        yield Problem(test.file, test.line, f"{said}the text that is left is not the expected one")
    if test.restored is not None and _echoed(engine, test, outcome) != test.restored:
        yield Problem(test.file, test.line, f"{said}what comes back to the client is not the expected text")


def _same(expected: Any, left: Any) -> bool:
    """Whether what is left is what a test expects; arguments of tools are compared as JSON."""
    if isinstance(expected, str):
        wanted = _ANY.sub(r".{\1}", re.escape(expected))
        return isinstance(left, str) and re.fullmatch(wanted, left, re.DOTALL) is not None
    if not isinstance(expected, dict):
        return left == expected
    if isinstance(left, str):
        try:
            left = orjson.loads(left)
        except orjson.JSONDecodeError:
            return False
    wanted, found = cast("dict[str, Any]", expected), cast("object", left)
    if not isinstance(found, dict) or wanted.keys() != found.keys():
        return False
    return all(_same(value, cast("dict[str, Any]", found)[key]) for key, value in wanted.items())


def _rules(events: list[GuardEvent], rule: str) -> set[str]:
    return {event.rule for event in events} | ({rule} if rule else set[str]())


def _whole(engine: GuardEngine, test: PolicyTest, said: _Said) -> _Outcome:
    plan = engine.plan(test.facts)
    masks = Masks()
    if test.answer is None:
        screened = plan.screen_request(DIALECT, test.request, masks=masks, opinions=said.opinions)
    else:
        screened = plan.screen_answer(DIALECT, test.answer, request=test.request, opinions=said.opinions)
    left: Any = screened.document
    for step in test.target:
        # What a rewrite has taken out is not there any more.
        left = left[step] if _has(left, step) else ""
    rules = _rules(screened.events, screened.rule) | said.observed
    return _Outcome(screened.action, rules, left, screened.route, masks)


def _echoed(engine: GuardEngine, test: PolicyTest, outcome: _Outcome) -> str:
    """What the client gets when the model repeats what it was sent."""
    message = {"role": "assistant", "content": outcome.left}
    answer = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    screened = engine.plan(test.facts).screen_answer(DIALECT, answer, request=test.request)
    document = screened.document
    if outcome.masks is not None and outcome.masks.values:
        document = restore_document(DIALECT, document, outcome.masks.values)
    return str(document["choices"][0]["message"]["content"])


def _has(holder: Any, step: str | int) -> bool:
    if isinstance(holder, list):
        return isinstance(step, int) and step < len(cast("list[Any]", holder))
    return isinstance(holder, dict) and step in holder


def _streamed(engine: GuardEngine, test: PolicyTest) -> _Outcome:
    screen = engine.plan(test.facts).stream_screen()
    left = ""
    try:
        for piece in test.stream:
            left += screen.feed(_CHANNEL, piece)
        left += screen.finish(_CHANNEL)
    except Blocked as blocked:
        return _Outcome("block", _rules(screen.events, blocked.rule), left)
    return _Outcome(screen.action, _rules(screen.events, screen.rule), left)


# --- what models say


class _Said(msgspec.Struct):
    """What models said of a test's texts.

    Attributes:
        opinions: For rules that act on it.
        observed: Rules that only observe, and hold.
        streamed: What came of a stream that was judged by clause.
        unasked: A model that could not be asked, and why.
    """

    opinions: Opinions | None = None
    observed: set[str] = set()
    streamed: _Outcome | None = None
    unasked: str = ""


def _asks(engine: GuardEngine, test: PolicyTest) -> bool:
    plan = engine.plan(test.facts)
    side = plan.request if test.direction == "request" else plan.response
    return bool(_models(engine, side))


def _models(engine: GuardEngine, side: Side) -> list[str]:
    """The models that rules ask, but for those on whose rules somebody outside would be asked too."""
    askers = engine.kit.askers
    named = {name for rule in (*side.prompt, *side.late) for name in rule.names}
    return [name for name, asker in askers.items() if asker.modelled and name in named]


async def _ask_all(
    engine: GuardEngine, tests: Sequence[PolicyTest], closing: Callable[[], Awaitable[None]]
) -> list[_Said]:
    # A test says what a model says, not how fast a machine is: loading counts for nothing, and there is time.
    engine.kit.patience_s = _PATIENCE_S
    try:
        await engine.warm()
        return [await _ask(engine, test) for test in tests]
    finally:
        engine.kit.patience_s = 0.0
        engine.kit.memo.forget()
        await closing()


async def _ask(engine: GuardEngine, test: PolicyTest) -> _Said:
    plan = engine.plan(test.facts)
    if test.stream:
        return await _by_clause(plan, test) if plan.clauses is not None else _Said()
    side = plan.request if test.direction == "request" else plan.response
    document = test.request if test.answer is None else test.answer
    read = DIALECT.segments if test.direction == "request" else DIALECT.answer_segments
    opinions = await ask(side, _models(engine, side), list(read(document)))
    if opinions.failed:
        return _Said(unasked=_first(opinions.failed))
    observed = await plan.observe(test.direction, DIALECT, document, request=test.request) if side.late else Screened()
    return _Said(opinions=opinions, observed=_rules(observed.events, ""))


async def _by_clause(plan: GuardPlan, test: PolicyTest) -> _Said:
    screen = plan.stream_screen()
    gate = plan.clause_gate(screen)
    left, action, rule = "", "", ""
    try:
        for piece in test.stream:
            left += screen.feed(_CHANNEL, piece)
        left += screen.finish(_CHANNEL)
        if gate is not None:
            await gate.settle()
    except Blocked as blocked:
        action, rule = "block", blocked.rule
    if gate is not None:
        left = left if action != "block" else left[: gate.passed(_CHANNEL)]
        gate.drop()
    failed = [event.rule for event in screen.events if event.rule.startswith(_FAILED)]
    if failed:
        return _Said(unasked=failed[0].removeprefix(_FAILED))
    return _Said(streamed=_Outcome(screen.action, _rules(screen.events, rule), left))


def _first(failed: dict[str, str]) -> str:
    name, reason = next(iter(failed.items()))
    return f"{name} ({reason})"
