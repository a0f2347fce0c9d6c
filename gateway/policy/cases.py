"""Tests of a policy file as they are run: whole documents instead of the few words that stand in the file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import msgspec
import orjson

from gateway.config.source import NodePath
from gateway.config.validation import suggestion
from gateway.core.segments import Direction, Path
from gateway.core.verdict import Action, CallFacts
from gateway.policy.given import GivenSpec
from gateway.policy.model import TestSpec
from gateway.policy.report import Report
from gateway.policy.sources import PolicyFile
from gateway.policy.templates import Templates

ROUTE, MODEL = "/v1/chat/completions", "test-model"
_CALL_ID = "call_1"
_TOOL = "tool"


class PolicyTest(msgspec.Struct, frozen=True, kw_only=True):
    """One test of a policy file, templates expanded.

    Attributes:
        file: Where it stands.
        line: The same.
        direction: Which guards it is about.
        facts: Who calls, and how.
        request: The request; for a test of an answer, what was asked.
        answer: The whole answer; ``None`` for a test of a request, and for a stream.
        stream: The pieces in which the answer's text arrives.
        target: Where the text stands that :attr:`output` is about.
        action: What must come of it; ``None`` when the test does not say.
        rule: The rule that must hold, or empty.
        output: The text that must be left, the arguments as a mapping, or ``None``.
        route: The alias that the call must go to, or empty.
        restored: What must come back when the model repeats what it was sent, or ``None``.
    """

    file: str
    line: int
    name: str
    direction: Direction
    facts: CallFacts
    request: dict[str, Any]
    answer: dict[str, Any] | None = None
    stream: tuple[str, ...] = ()
    target: Path = ()
    action: Action | None = None
    rule: str = ""
    output: str | dict[str, Any] | None = None
    route: str = ""
    restored: str | None = None


def compile_test(file: PolicyFile, index: int, rule_ids: frozenset[str], report: Report) -> PolicyTest | None:
    """Compile one test; ``None`` when its text cannot be made up.

    Args:
        file: Where it stands.
        index: Which one.
        rule_ids: Every rule of the bundle, as written.
        report: Takes what is wrong.
    """
    path: NodePath = ("tests", index)
    spec: TestSpec = file.spec.tests[index]
    expect = spec.expect
    if expect.rule is not None and ":" not in expect.rule and expect.rule not in rule_ids:
        message = f"no rule is named '{expect.rule}'{suggestion(expect.rule, rule_ids)}"
        report.problem(file, (*path, "expect", "rule"), message)
    templates = Templates(spec.name)
    try:
        scene = _scene(spec.given, lambda value: _expanded(value, templates))
    except ValueError as error:
        report.problem(file, (*path, "given"), str(error))
        return None
    facts = _facts(spec.given)
    if facts is None:
        report.problem(file, (*path, "given", "tag"), "should be name=value")
        return None
    return msgspec.structs.replace(
        scene,
        file=file.document.name,
        line=file.document.line(path),
        name=spec.name,
        facts=facts,
        action=expect.action,
        rule=expect.rule or "",
        output=expect.output,
        route=expect.route or "",
        restored=expect.restored,
    )


def _expanded(value: Any, templates: Templates) -> Any:
    if isinstance(value, str):
        return templates.expand(value)
    if isinstance(value, list):
        return [_expanded(each, templates) for each in cast("list[Any]", value)]
    if isinstance(value, dict):
        entries = cast("dict[str, Any]", value)
        return {templates.expand(key): _expanded(each, templates) for key, each in entries.items()}
    return value


def _scene(given: GivenSpec, made: Callable[[Any], Any]) -> PolicyTest:
    """Write out what a test says in a few words."""
    asked: list[dict[str, Any]] = [{"role": "user", "content": "hello"}]
    if given.messages:
        messages = [made(message) for message in given.messages]
        return _request(given, messages, ("messages", len(messages) - 1, "content"))
    if given.stream:
        pieces = tuple(made(piece) for piece in given.stream)
        return _blank("response", _document(given, asked), stream=pieces)
    name = given.call or given.tool or _TOOL
    if given.tool_args is not None or given.call is not None:
        arguments = made(given.args or {}) if given.call else made(given.tool_args)
        message = {"role": "assistant", "content": None, "tool_calls": [_tool_call(name, arguments)]}
        target: Path = ("tool_calls", 0, "function", "arguments")
    else:
        message = {"role": given.role, "content": made(given.text)}
        target = ("content",)
    if given.role == "tool":
        asked.append({"role": "assistant", "content": None, "tool_calls": [_tool_call(name, {})]})
        message["tool_call_id"] = _CALL_ID
    answers = message["role"] == "assistant" and given.direction != "request"
    if answers:
        ending = "tool_calls" if "tool_calls" in message else "stop"
        answer = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "model": given.model or MODEL,
            "choices": [{"index": 0, "message": message, "finish_reason": ending}],
        }
        place: Path = ("choices", 0, "message", *target)
        return _blank("response", _document(given, asked), answer=answer, target=place)
    history = asked if given.role in ("tool", "assistant") or "tool_calls" in message else []
    return _request(given, [*history, message], ("messages", len(history), *target))


def _request(given: GivenSpec, messages: list[dict[str, Any]], target: Path) -> PolicyTest:
    return _blank("request", _document(given, messages), target=target)


def _blank(direction: Direction, request: dict[str, Any], **rest: Any) -> PolicyTest:
    return PolicyTest(file="", line=0, name="", direction=direction, facts=CallFacts(), request=request, **rest)


def _document(given: GivenSpec, messages: list[dict[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {"model": given.model or MODEL, "messages": messages}
    if given.tools:
        document["tools"] = [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
            }
            for tool in given.tools
        ]
    return document | ({"stream": True} if given.stream else {})


def _tool_call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    function = {"name": name, "arguments": orjson.dumps(arguments).decode()}
    return {"id": _CALL_ID, "type": "function", "function": function}


def _facts(given: GivenSpec) -> CallFacts | None:
    written = (*given.tag, *filter(None, given.headers.get("x-weighbridge-tags", "").split(",")))
    tags: dict[str, str] = {}
    for tag in written:
        name, equals, value = tag.strip().partition("=")
        if not equals or not name:
            return None
        tags[name] = value
    return CallFacts(
        route=given.route or ROUTE,
        model=given.model or MODEL,
        provider=given.provider or "",
        key=given.key or "",
        team=given.team or "",
        session=given.session or given.headers.get("x-weighbridge-session", ""),
        tags=tags,
        stream=bool(given.stream),
        tainted=bool(given.tainted),
        strict="x-weighbridge-policy" in given.headers,
    )
