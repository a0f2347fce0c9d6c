"""Runs the tests of a policy file against the guards that it makes, as calls would meet them.

Detectors that ask somebody outside are not asked: a test says what a bundle does, not what somebody else does today.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

import msgspec
import orjson

from gateway.config.source import Problem
from gateway.core.errors import Blocked
from gateway.core.record import GuardEvent
from gateway.core.verdict import Action
from gateway.guards.engine import GuardEngine
from gateway.guards.restore import restore_document
from gateway.guards.vault import Masks
from gateway.policy.cases import PolicyTest
from gateway.wire.openai_chat import DIALECT

_CHANNEL = (0, "text")
# What a test cannot know beforehand: the tag of a placeholder.
_ANY = re.compile(r"\\{\\{any:([0-9]{1,4})\\}\\}")


class _Outcome(msgspec.Struct):
    """What came of a test's text."""

    action: Action
    rules: set[str]
    left: Any
    route: str = ""
    masks: Masks | None = None


def run_test(engine: GuardEngine, test: PolicyTest) -> Iterator[Problem]:
    """Run one test of a policy file; yields what is not as it should be, without quoting the text."""
    outcome = _streamed(engine, test) if test.stream else _whole(engine, test)
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


def _whole(engine: GuardEngine, test: PolicyTest) -> _Outcome:
    plan = engine.plan(test.facts)
    masks = Masks()
    if test.answer is None:
        screened = plan.screen_request(DIALECT, test.request, masks=masks)
    else:
        screened = plan.screen_answer(DIALECT, test.answer, request=test.request)
    left: Any = screened.document
    for step in test.target:
        # What a rewrite has taken out is not there any more.
        left = left[step] if _has(left, step) else ""
    return _Outcome(screened.action, _rules(screened.events, screened.rule), left, screened.route, masks)


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
    plan = engine.plan(test.facts)
    screen = plan.stream_screen()
    left = ""
    try:
        for piece in test.stream:
            left += screen.feed(_CHANNEL, piece)
        left += screen.finish(_CHANNEL)
    except Blocked as blocked:
        return _Outcome("block", _rules(screen.events, blocked.rule), left)
    return _Outcome(screen.action, _rules(screen.events, screen.rule), left)
