from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import Thinking, ToolChoice
from gateway.core.errors import MalformedRequest, ThreadUnsupported
from gateway.wire.anthropic_messages.chat_request import read_request
from tests.wire.anthropic_messages.test_request import FULL, HELLO


def test_what_is_read_of_a_request() -> None:
    chat = read_request({**FULL, "container": "c", "new": None})
    assert (chat.dialect, chat.model, chat.user) == ("anthropic_messages", "claude-x", "u-1")
    assert [turn.role for turn in chat.turns] == ["system", "user", "assistant", "user", "system"]
    assert chat.tools[1].opaque is not None
    assert chat.tool_choice == ToolChoice(mode="required", names=("weather",))
    assert chat.parallel_tools is False
    assert (chat.sampling.max_tokens, chat.sampling.temperature, chat.sampling.stop) == (100, 0.5, ("END",))
    assert chat.thinking == Thinking(effort="low", budget_tokens=2000, visible=True)
    assert chat.format is not None
    assert chat.extras == {"container": "c"}


@pytest.mark.parametrize("thread", [{"type": "create"}, {"type": "continue", "previous_message_id": "msg_1"}])
def test_a_thread_is_held_by_nobody_else(thread: dict[str, Any]) -> None:
    with pytest.raises(ThreadUnsupported) as caught:
        read_request({**FULL, "thread": thread})
    assert (caught.value.code, caught.value.param) == ("thread_unsupported_request", "thread")
    assert "thread" not in read_request({**FULL, "thread": None}).extras


@pytest.mark.parametrize(
    ("config", "thinking"),
    [
        ({"type": "disabled"}, Thinking(budget_tokens=0)),
        ({"type": "adaptive"}, Thinking(budget_tokens=-1, visible=True)),
        ({"type": "enabled", "budget_tokens": 5, "display": "omitted"}, Thinking(budget_tokens=5, visible=False)),
        ({"type": "between_tools"}, None),
    ],
)
def test_thinking(config: dict[str, Any], thinking: Thinking | None) -> None:
    chat = read_request({**HELLO, "thinking": config})
    assert chat.thinking == thinking
    assert chat.extras == ({} if thinking else {"thinking": config})


def test_what_only_this_dialect_has_is_kept_by_name() -> None:
    tool = {"name": "t", "input_schema": {}, "input_examples": [{}]}
    chat = read_request({**HELLO, "tools": [tool], "output_config": {"task_budget": 1}})
    assert chat.extras == {"tools.input_examples": [{}], "output_config": {"task_budget": 1}}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": [{"role": "tool", "content": ""}]}, "messages[0].role"),
        ({"system": [{"type": "image", "source": {"type": "url", "url": "u"}}]}, "system"),
        ({"tools": ["x"]}, "tools[0]"),
        ({"tools": [{"description": "x"}]}, "tools[0].name"),
        ({"tool_choice": {"type": "new"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "text"}}}, "output_config.format"),
        ({"metadata": "x"}, "metadata"),
        ({"stop_sequences": [1]}, "stop_sequences"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_k": 1.5}, "top_k"),
        ({"service_tier": 1}, "service_tier"),
        ({"tools": {}}, "tools"),
    ],
)
def test_what_cannot_be_understood_is_refused_by_name(change: dict[str, Any], param: str) -> None:
    with pytest.raises(MalformedRequest) as caught:
        read_request({**HELLO, **change})
    assert caught.value.param == param


def test_a_body_must_be_an_object() -> None:
    with pytest.raises(MalformedRequest):
        read_request([])
