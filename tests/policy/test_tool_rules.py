from __future__ import annotations

import pytest

from gateway.config.source import load_yaml
from gateway.config.validation import validated
from gateway.policy.tool_rules import ArgumentSpec, ToolsDetector


def problems(text: str) -> list[str]:
    return [problem.message for problem in validated(ToolsDetector, load_yaml(f"{{use: tools, {text}}}", "p")).problems]


@pytest.mark.parametrize(
    "text", ["default: deny", "deny: ['*delete*']", "allow: [{tool: t, args: {a: {enum: [1, x]}}}]"]
)
def test_what_forbids_something(text: str):
    assert problems(text) == []


@pytest.mark.parametrize("text", ["default: allow", "allow: [a, b]", "allow: [{tool: t}]"])
def test_what_forbids_nothing_is_refused(text: str):
    assert problems(text) == ["forbids nothing; say default: deny, deny, or args of an allowed tool"]


def test_a_glob_is_short_for_a_tool():
    checked = validated(ToolsDetector, load_yaml("{use: tools, default: deny, allow: ['mcp:*']}", "p"))
    assert checked.value
    assert checked.value.allow[0].tool == "mcp:*"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "says nothing of the argument"),
        ("{min: 2, max: 1}", "min is larger than max"),
        ("{pattern: '('}", "pattern cannot be read: missing ), unterminated subpattern"),
        ("{type: text}", "type: should be 'string', 'number', 'integer', 'boolean', 'array', 'object' or 'null'"),
    ],
)
def test_what_an_argument_cannot_be_bound_by(text: str, said: str):
    assert [problem.message for problem in validated(ArgumentSpec, load_yaml(text, "p")).problems] == [said]
