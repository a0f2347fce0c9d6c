from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import OutputFormat, Thinking, ToolChoice
from gateway.core.errors import MalformedRequest, UnsupportedField
from gateway.wire.openai_responses.chat_request import read_request


def read(**fields: Any) -> Any:
    return read_request({"model": "m", "input": "x", **fields}, "/v1/responses")


def test_what_stands_beside_the_input() -> None:
    chat = read(
        stream=True, max_output_tokens=7, temperature=1, top_p=0.5, user="u", metadata={"a": "b"}, store=False,
        service_tier="flex", parallel_tool_calls=False, previous_response_id="resp_1", truncation="disabled",
        reasoning={"effort": "low", "summary": "auto"}, text={"format": {"type": "json_object"}, "verbosity": "low"},
        include=["reasoning.encrypted_content", "message.output_text.logprobs"], top_logprobs=2, prompt={"id": "p"},
    )  # fmt: skip
    assert (chat.stream, chat.sampling.max_tokens, chat.sampling.temperature, chat.sampling.top_p) == (True, 7, 1, 0.5)
    assert (chat.sampling.logprobs, chat.sampling.top_logprobs) == (True, 2)
    assert (chat.user, chat.metadata, chat.store, chat.service_tier) == ("u", {"a": "b"}, False, "flex")
    assert (chat.parallel_tools, chat.previous) == (False, "resp_1")
    assert chat.thinking == Thinking(effort="low", visible=True, summary="auto")
    assert chat.format == OutputFormat(kind="json")
    assert chat.extras == {"verbosity": "low", "prompt": {"id": "p"}}


def test_tools_and_their_choice() -> None:
    tools = [
        {"type": "function", "name": "f", "parameters": {}, "strict": True},
        {"type": "custom", "name": "c"},
        {"type": "web_search"},
    ]
    chat = read(tools=tools, tool_choice={"type": "custom", "name": "c"})
    assert [(tool.name, tool.custom, tool.opaque is not None) for tool in chat.tools] == [
        ("f", False, False),
        ("c", True, False),
        ("", False, True),
    ]
    assert chat.tool_choice == ToolChoice(mode="required", names=("c",))
    assert read(tool_choice="none").tool_choice == ToolChoice(mode="none")
    assert read(tool_choice={"type": "file_search"}).extras == {"tool_choice": {"type": "file_search"}}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort"),
        ({"reasoning": "x"}, "reasoning"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": ["x"]}, "tools[0]"),
        ({"tools": "x"}, "tools"),
        ({"tool_choice": "some"}, "tool_choice"),
        ({"text": {"format": {"type": "yaml"}}}, "text.format"),
        ({"temperature": "x"}, "temperature"),
        ({"max_output_tokens": 1.5}, "max_output_tokens"),
        ({"store": "yes"}, "store"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(MalformedRequest) as caught:
        read(**fields)
    assert caught.value.param == param


def test_calls_that_are_no_conversation_do_not_cross() -> None:
    with pytest.raises(UnsupportedField):
        read_request({"model": "m", "input": "x"}, "/v1/responses/compact?a=b")
