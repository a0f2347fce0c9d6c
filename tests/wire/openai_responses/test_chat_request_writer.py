from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import (
    ChatRequest,
    Opaque,
    OutputFormat,
    Reasoning,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from gateway.core.errors import UnsupportedField
from gateway.core.losses import Losses
from gateway.wire.openai_responses.chat_request_writer import (
    write_choice,
    write_format,
    write_request,
    write_thinking,
    write_tools,
)

HI = (Turn(role="user", parts=(Text(text="Hi"),)),)


def written(
    turns: tuple[Turn, ...] = HI, policy: Any = "drop", **fields: Any
) -> tuple[dict[str, Any], tuple[str, ...]]:
    chat = ChatRequest(dialect="anthropic_messages", model="m", turns=turns, **fields)
    losses = Losses({}, "openai_responses", policy)
    return write_request(chat, "served", losses).document, losses.fields


def test_a_conversation_of_another_dialect() -> None:
    turns = (
        Turn(role="system", parts=(Text(text="Be brief."),)),
        *HI,
        Turn(
            role="assistant",
            parts=(
                Reasoning(text="Hm", signature="s", origin="anthropic_messages"),
                Text(text="I look"),
                ToolCall(id="", name="look", arguments="{}"),
            ),
        ),
        Turn(role="tool", parts=(ToolResult(call_id="call_0", name="look", parts=(Text(text="found"),)),)),
    )
    document, dropped = written(turns)
    assert document == {
        "model": "served",
        "input": [
            {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Be brief."}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "I look", "annotations": []}],
            },
            {"type": "function_call", "call_id": "call_0", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_0", "output": "found"},
        ],
        "store": False,
    }
    assert dropped == ("thinking",)


def test_what_has_no_place_is_refused_by_name() -> None:
    _, dropped = written(
        choices=2,
        sampling=Sampling(top_k=3, seed=1, stop=("a",)),
        modalities=("audio",),
        extras={"odd": 1, "safety_identifier": "x"},
        previous="p",
    )
    assert dropped == ("choices", "stop", "top_k", "seed", "previous", "modalities", "odd", "safety_identifier")
    with pytest.raises(UnsupportedField) as caught:
        written(policy="reject", sampling=Sampling(seed=1))
    assert caught.value.param == "seed"


def test_tools_formats_and_thinking() -> None:
    losses = Losses({}, "openai_responses", "drop")
    tools = (Tool(name="f", schema={}), Tool(name="c", custom=True, format={"type": "text"}),
             Tool(opaque=Opaque(dialect="gemini", kind="search", document={})))  # fmt: skip
    assert write_tools(tools, losses) == [
        {"type": "function", "name": "f", "parameters": {}, "strict": False},
        {"type": "custom", "name": "c", "format": {"type": "text"}},
    ]
    assert losses.fields == ("tools",)
    assert write_choice(ToolChoice(mode="required", names=("c",)), tools) == {"type": "custom", "name": "c"}
    assert write_choice(ToolChoice(names=("f",)), tools)["type"] == "allowed_tools"
    assert write_choice(ToolChoice(mode="none"), tools) == "none"
    assert write_format(OutputFormat(kind="schema", schema={}))["name"] == "answer"
    assert write_format(OutputFormat()) == {"type": "text"}
    assert write_thinking(Thinking(budget_tokens=9, visible=True), losses) == {"summary": "auto"}
    assert losses.fields == ("tools", "budget_tokens")
