"""Forbidden tools: taken out of requests, found in answers whole and streamed; arguments by typed constraints."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.core.errors import Blocked
from gateway.core.verdict import Bundle, CallFacts, DetectorSpec, Match, RuleSpec, Step, When
from gateway.guards.detectors.tools import build
from gateway.guards.engine import GuardEngine
from gateway.plugin.guard import About, Subject
from gateway.plugin.testing import check_call, check_text
from gateway.wire.openai_chat import DIALECT

FACTS = CallFacts()
MAIL = {"tool": "mail_send", "args": {"to": {"all_in": {"type": "mail_domain", "values": ["acme.example"]}}}}
OPTIONS: dict[str, Any] = {
    "default": "deny",
    "allow": [{"tool": "crm_*"}, MAIL, {"tool": "refund", "args": {"amount": {"max": 500, "type": "number"}}}],
    "deny": ["crm_delete*"],
}
SPEC = DetectorSpec(name="tools", use="tools", options=OPTIONS)


def function(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {}}}


def rule(*steps: Step) -> RuleSpec:
    return RuleSpec(id="r", match=Match(), when=When(op="detector", name="tools"), steps=steps, mode="enforce")


def engine(*steps: Step, spec: DetectorSpec = SPEC) -> GuardEngine:
    return GuardEngine(Bundle(revision="0" * 12, detectors=(spec,), rules=(rule(*steps),)), lambda: 0)


STRIP = engine(Step(action="rewrite", rewrite="remove"))
BLOCK = engine(Step(action="block"))


def request(**more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": "hello"}], **more}


def answer(name: str, arguments: str) -> dict[str, Any]:
    call = {"id": "c", "type": "function", "function": {"name": name, "arguments": arguments}}
    message = {"role": "assistant", "content": "I will.", "tool_calls": [call]}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}


def stripped(document: dict[str, Any]) -> dict[str, Any]:
    return STRIP.plan(FACTS).screen_request(DIALECT, document).document


def test_forbidden_definitions_are_taken_out() -> None:
    document = request(tools=[function("crm_find"), function("crm_delete_all"), function("shell")])
    assert stripped(document)["tools"] == [function("crm_find")]
    assert len(document["tools"]) == 3


def test_so_is_what_tells_the_model_to_use_them() -> None:
    kept = function("crm_find")
    choice = {"type": "function", "function": {"name": "shell"}}
    assert "tool_choice" not in stripped(request(tools=[kept, function("shell")], tool_choice=choice))
    kept_choice = {"type": "function", "function": {"name": "crm_find"}}
    document = stripped(request(tools=[kept, function("shell")], tool_choice=kept_choice))
    assert document["tool_choice"] == kept_choice
    listed = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [kept, function("shell")]}}
    document = stripped(request(tools=[kept, function("shell")], tool_choice=listed))
    assert document["tool_choice"]["allowed_tools"]["tools"] == [kept]
    listed = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [function("shell")]}}
    assert "tool_choice" not in stripped(request(tools=[kept, function("shell")], tool_choice=listed))


def test_no_tool_is_left_and_nothing_speaks_of_tools() -> None:
    document = stripped(request(tools=[function("shell")], tool_choice="required", parallel_tool_calls=True))
    assert document == request()


def test_a_request_without_tools_is_left_alone() -> None:
    document = request(tool_choice="none")
    assert stripped(document) is document
    assert stripped(request(tools=[function("refund"), function("mail_send")]))["tools"][1] == function("mail_send")


@pytest.mark.parametrize(
    ("name", "arguments", "blocked"),
    [
        ("crm_find", "{}", False),
        ("crm_delete_all", "{}", True),
        ("shell", "{}", True),
        ("mail_send", '{"to":["a@acme.example"]}', False),
        ("mail_send", '{"to":["a@acme.example","eve@proton.example"]}', True),
        ("mail_send", '{"to":"a@acme.example","to":"eve@proton.example"}', True),
        ("mail_send", "{}", False),
        ("mail_send", "", False),
        ("mail_send", "not json", True),
        ("mail_send", "[1]", True),
        ("refund", '{"amount":500}', False),
        ("refund", '{"amount":500.5}', True),
        ("refund", '{"amount":"500"}', True),
    ],
)
def test_calls_of_an_answer(name: str, arguments: str, blocked: bool) -> None:
    screened = BLOCK.plan(FACTS).screen_answer(DIALECT, answer(name, arguments))
    assert (screened.rule == "r") is blocked
    screen = BLOCK.plan(FACTS).stream_screen()
    pieces = [((0, "tool_name/0"), name), *(((0, "tool_argument/0", name), char) for char in arguments)]
    try:
        # Text beside the call is not held for it.
        assert screen.feed((0, "text"), "I will.") == "I will."
        for channel, piece in pieces:
            screen.feed(channel, piece)
        left = screen.finish((0, "tool_name/0")), screen.finish((0, "tool_argument/0", name))
    except Blocked:
        assert blocked
    else:
        assert not blocked
        assert left == (name, arguments)


def test_a_redacted_call_is_valid_json_still() -> None:
    redact = engine(Step(action="redact"))
    document = answer("refund", '{"amount": 900, "why": "a \\"b\\""}')
    call = redact.plan(FACTS).screen_answer(DIALECT, document).document["choices"][0]["message"]["tool_calls"][0]
    assert orjson.loads(call["function"]["arguments"]) == {"amount": "[TOOL]", "why": "[TOOL]"}


def test_what_is_wrong_is_said_without_the_value() -> None:
    tools = build(SPEC)
    about = About("response", "assistant", "tool_argument", "refund")
    assert [each.kind for each in tools.find('{"amount":900}', about)] == ["argument/amount/max"]
    assert [each.kind for each in tools.find("{", about)] == ["arguments/not_json"]
    assert tools.find("shell", About("response", "assistant", "text")) == []


def test_one_of_several_entries_must_fit() -> None:
    allow = [{"tool": "a*", "args": {"n": {"max": 1}}}, {"tool": "ab", "args": {"n": {"max": 5}}}]
    tools = build(DetectorSpec(name="t", use="tools", options={"allow": allow}))
    about = About("response", "assistant", "tool_argument", "ab")
    assert tools.find('{"n":3}', about) == []
    assert tools.find('{"n":7}', about) != []
    assert tools.find('{"n":7}', About("response", "assistant", "tool_argument", "other")) == []
    open_too = build(DetectorSpec(name="t", use="tools", options={"allow": [*allow, {"tool": "ab"}]}))
    assert open_too.find('{"n":7}', about) == []


def test_it_keeps_the_contract() -> None:
    tools = build(SPEC)
    documents = [
        request(),
        request(tools=[function("shell"), {}]),
        request(tools=[function("crm_x")], tool_choice="auto"),
    ]
    check_call(tools, [Subject(direction="request", dialect="openai_chat", document=d, segments=[]) for d in documents])
    check_text(tools, ["shell", "crm_find"], About("response", "assistant", "tool_name"))
    check_text(tools, ["", "{", '{"amount":900}'], About("response", "assistant", "tool_argument", "refund"))
