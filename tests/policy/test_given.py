from __future__ import annotations

import pytest

from gateway.config.source import load_yaml
from gateway.config.validation import validated
from gateway.policy.given import GivenSpec


def problems(text: str) -> list[str]:
    return [problem.message for problem in validated(GivenSpec, load_yaml(text, "p")).problems]


@pytest.mark.parametrize(
    "text",
    [
        "{role: user, text: x}",
        "{role: tool, tool: search, text: x}",
        "{stream: [a, b]}",
        "{role: assistant, tool_args: {a: 1}}",
        "{tool_args: {}, tool: t, direction: request}",
        "{call: mcp:mail/send, args: {to: [a]}}",
        "{call: t}",
        "{messages: [{role: user, content: x}], tools: [t, {name: u, description: d}]}",
        "{role: user, text: x, team: a, key: k, tag: env=prod, model: m, session: s, route: /v1/qa, tainted: true}",
        "{role: user, text: x, tag: [a=1, b=2], headers: {x-weighbridge-policy: strict}}",
    ],
)
def test_what_a_test_may_say(text: str):
    assert problems(text) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "give one of role and text"),
        ("{role: user}", "give one of role and text"),
        ("{role: user, text: x, stream: [y]}", "give one of role and text"),
        ("{text: x}", "text needs the role that wrote it"),
        ("{role: user, stream: [x]}", "only the assistant streams and calls tools"),
        ("{role: user, tool_args: {}}", "only the assistant streams and calls tools"),
        ("{role: user, messages: [{role: user}]}", "messages have roles of their own"),
        ("{tool_args: {}, args: {}}", "args go with call"),
        ("{role: user, text: x, tool: t}", "tool goes with tool_args"),
        ("{role: user, text: x, direction: response}", "only the assistant answers"),
        ("{stream: [x], direction: request}", "only answers stream"),
        ("{role: user, text: x, headers: {x-weighbridge-policy: off}}", "x-weighbridge-policy can only be strict"),
        ("{role: user, text: x, headers: {cookie: a}}", "headers.cookie: should be"),
        ("{role: user, text: x, teem: a}", "teem: unknown key; did you mean 'team'?"),
        ("{role: user, text: x, tools: [{nam: t}]}", "tools[0].nam: unknown key; did you mean 'name'?"),
    ],
)
def test_what_it_may_not(text: str, said: str):
    assert [message for message in problems(text) if message.startswith(said)], problems(text)
