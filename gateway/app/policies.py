"""From policy files to guards in force: load, compile, run the bundle's own tests. What fails a test is not loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway.config.source import Problem
from gateway.core.errors import Blocked, GatewayError
from gateway.core.record import GuardEvent
from gateway.core.verdict import Action, CallFacts
from gateway.guards.engine import GuardEngine
from gateway.policy.compile import PolicyTest
from gateway.policy.load import load_bundle
from gateway.wire.openai_chat import DIALECT

_CHANNEL = (0, "text")


class PolicyFault(Exception):
    """A bundle that cannot be put in force.

    Args:
        problems: Everything that is wrong with it.
    """

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def load_guards(files: tuple[tuple[str, Path], ...]) -> GuardEngine:
    """Load a bundle of policy files.

    Args:
        files: Each file's name in messages, and the file, in order.

    Raises:
        PolicyFault: A file is wrong, an expression does not compile, or a test of the bundle fails.
    """
    loaded = load_bundle(files)
    if loaded.bundle is None:
        raise PolicyFault(loaded.problems)
    try:
        engine = GuardEngine(loaded.bundle)
    except GatewayError as error:
        raise PolicyFault((Problem(files[0][0] if files else "policies", 0, error.public_message),)) from error
    failed = tuple(problem for test in loaded.tests for problem in run_test(engine, test))
    if failed:
        raise PolicyFault(failed)
    return engine


def run_test(engine: GuardEngine, test: PolicyTest) -> Iterator[Problem]:
    """Run one test of a policy file; yields what is not as it should be, without quoting the text."""
    action, rule, events, output = _streamed(engine, test) if test.stream else _whole(engine, test)
    rules = {event.rule for event in events} | ({rule} if rule else set[str]())
    said = f"test '{test.name}': "
    if test.action is not None and action != test.action:
        yield Problem(test.file, test.line, f"{said}expected {test.action}, got {action}")
    if test.rule and test.rule not in rules:
        got = ", ".join(sorted(rules)) or "no rule"
        yield Problem(test.file, test.line, f"{said}expected rule '{test.rule}', got {got}")
    if test.output is not None and output != test.output:
        yield Problem(test.file, test.line, f"{said}the text that is left is not the expected one")


def _whole(engine: GuardEngine, test: PolicyTest) -> tuple[Action, str, list[GuardEvent], str]:
    plan = engine.plan(CallFacts(route="/v1/chat/completions"))
    message = {"role": test.role, "content": test.text}
    if test.direction == "request":
        screened = plan.screen_request(DIALECT, {"model": "m", "messages": [message]})
        left = screened.document["messages"][0]["content"]
    else:
        screened = plan.screen_answer(DIALECT, {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
        left = screened.document["choices"][0]["message"]["content"]
    return screened.action, screened.rule, screened.events, left


def _streamed(engine: GuardEngine, test: PolicyTest) -> tuple[Action, str, list[GuardEvent], str]:
    plan = engine.plan(CallFacts(route="/v1/chat/completions"))
    screen = plan.stream_screen()
    left = ""
    try:
        for piece in test.stream:
            left += screen.feed(_CHANNEL, piece)
        left += screen.finish(_CHANNEL)
    except Blocked as blocked:
        return "block", blocked.rule, screen.events, left
    return screen.action, screen.rule, screen.events, left
