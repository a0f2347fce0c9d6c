from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import Opaque, Reasoning, Text, ToolCall, ToolResult, Turn
from gateway.core.errors import GatewayError, MalformedRequest, UnsupportedField
from gateway.wire.openai_responses.chat_turns import read_model_item, read_turns


def test_what_the_model_made_in_a_row_is_one_turn() -> None:
    turns = read_turns(
        "Be brief.",
        [
            {"role": "user", "content": "Hi"},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look"}]},
            {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "found"},
        ],
    )
    assert [turn.role for turn in turns] == ["system", "user", "assistant", "tool"]
    assert turns[2].parts == (
        Reasoning(text="Hm", summary=True, id="rs_1", origin="openai_responses"),
        Text(text="I look"),
        ToolCall(id="c", name="look", arguments="{}"),
    )
    assert turns[3] == Turn(role="tool", parts=(ToolResult(call_id="c", name="look", parts=(Text(text="found"),)),))


def test_thoughts_that_are_sealed_or_hidden_are_kept() -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "seal"}
    assert read_model_item(item) == (Reasoning(encrypted="seal", summary=True, id="rs_1", origin="openai_responses"),)
    item = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "deep"}]}
    assert read_model_item(item) == (Reasoning(text="deep", origin="openai_responses"),)
    assert read_model_item({"type": "new"}) == (
        Opaque(dialect="openai_responses", kind="new", document={"type": "new"}),
    )


@pytest.mark.parametrize(
    ("item", "error"),
    [("x", MalformedRequest), ({"role": "wizard"}, MalformedRequest), ({"type": "item_reference"}, UnsupportedField)],
)
def test_items_that_cannot_be_understood(item: Any, error: type[GatewayError]) -> None:
    with pytest.raises(error) as caught:
        read_turns(None, [{"role": "user", "content": "x"}, item])
    assert (caught.value.param or "").startswith("input[1]")
