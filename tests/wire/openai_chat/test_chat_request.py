from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import ChatRequest, OutputFormat, Sampling, Thinking, ToolChoice
from gateway.core.errors import MalformedRequest
from gateway.wire.openai_chat.chat_request import read_request

BASE: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
LOOK: dict[str, Any] = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def read(**more: Any) -> ChatRequest:
    return read_request({**BASE, **more})


def test_fields_beside_the_messages_are_read() -> None:
    chat = read(
        stream=True, n=2, max_completion_tokens=9, temperature=1, top_p=0.5, top_k=3, min_p=0.1, seed=7, stop="END",
        frequency_penalty=0.1, presence_penalty=0.2, repetition_penalty=1.1, logprobs=True, top_logprobs=2,
        logit_bias={"50256": -100}, reasoning_effort="low", user="u", metadata={"k": "v"}, service_tier="flex",
        store=False, modalities=["text"], parallel_tool_calls=False, verbosity="low",
        stream_options={"include_usage": True},
    )  # fmt: skip
    assert chat.sampling == Sampling(
        max_tokens=9, temperature=1, top_p=0.5, top_k=3, min_p=0.1, seed=7, stop=("END",), frequency_penalty=0.1,
        presence_penalty=0.2, repetition_penalty=1.1, logprobs=True, top_logprobs=2, logit_bias={"50256": -100},
    )  # fmt: skip
    assert (chat.stream, chat.choices, chat.user, chat.metadata) == (True, 2, "u", {"k": "v"})
    assert (chat.service_tier, chat.store, chat.modalities, chat.parallel_tools) == ("flex", False, ("text",), False)
    assert chat.thinking == Thinking(effort="low")
    assert chat.extras == {"verbosity": "low"}
    assert chat.names["sampling.max_tokens"] == "max_completion_tokens"


def test_what_nobody_said_is_not_made_up() -> None:
    chat = read(max_tokens=None, stop=None, tools=None, response_format=None, custom=None)
    assert (chat.sampling, chat.tools, chat.format, chat.thinking, chat.extras) == (Sampling(), (), None, None, {})
    assert read(max_tokens=5).sampling.max_tokens == 5
    assert read(max_tokens=5).names["sampling.max_tokens"] == "max_tokens"


def test_tools_of_every_kind_are_read() -> None:
    custom = {"type": "custom", "custom": {"name": "sh", "description": "d", "format": {"type": "text"}}}
    chat = read(tools=[LOOK, custom, {"type": "web_search"}], functions=[{"name": "old"}])
    look, shell, search, old = chat.tools
    assert (look.name, look.schema, look.strict) == ("look", {"type": "object"}, None)
    assert (shell.name, shell.custom, shell.format) == ("sh", True, {"type": "text"})
    assert search.opaque is not None
    assert (search.opaque.dialect, search.opaque.kind) == ("openai_chat", "web_search")
    assert (old.name, old.schema) == ("old", None)


@pytest.mark.parametrize(
    ("fields", "choice"),
    [
        ({"tool_choice": "none"}, ToolChoice(mode="none")),
        ({"tool_choice": "required"}, ToolChoice(mode="required")),
        ({"tool_choice": {"type": "function", "function": {"name": "a"}}}, ToolChoice(mode="required", names=("a",))),
        ({"tool_choice": {"type": "custom", "custom": {"name": "a"}}}, ToolChoice(mode="required", names=("a",))),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [LOOK]}}},
            ToolChoice(names=("look",)),
        ),
        ({"function_call": "none"}, ToolChoice(mode="none")),
        ({"function_call": {"name": "a"}}, ToolChoice(mode="required", names=("a",))),
        ({}, None),
    ],
)
def test_the_choice_of_tools_is_read(fields: dict[str, Any], choice: ToolChoice | None) -> None:
    assert read(**fields).tool_choice == choice


def test_the_form_of_the_answer_is_read() -> None:
    assert read(response_format={"type": "text"}).format == OutputFormat()
    assert read(response_format={"type": "json_object"}).format == OutputFormat(kind="json")
    schema = {"name": "n", "schema": {"type": "object"}, "strict": True, "description": "d"}
    wanted = OutputFormat(kind="schema", name="n", schema={"type": "object"}, strict=True, description="d")
    assert read(response_format={"type": "json_schema", "json_schema": schema}).format == wanted


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"seed": True}, "seed"),
        ({"store": 1}, "store"),
        ({"user": 7}, "user"),
        ({"metadata": []}, "metadata"),
        ({"stop": [1]}, "stop"),
        ({"logit_bias": []}, "logit_bias"),
        ({"modalities": "text"}, "modalities"),
        ({"reasoning_effort": "some"}, "reasoning_effort"),
        ({"tools": {}}, "tools"),
        ({"tools": ["x"]}, "tools[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"functions": [1]}, "functions[0]"),
        ({"tool_choice": "some"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice"),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"tools": [1]}}},
            "tool_choice.allowed_tools.tools[0]",
        ),
        ({"function_call": 7}, "function_call"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"messages": {}}, "messages"),
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(MalformedRequest) as raised:
        read(**fields)
    assert raised.value.param == param
