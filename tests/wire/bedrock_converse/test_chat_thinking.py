from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import ChatRequest, Sampling, Thinking
from gateway.core.losses import Losses
from gateway.wire.bedrock_converse.chat_thinking import ThinkingWriter

OLD, NEW = "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic.claude-opus-4-6-v1"


def written(model: str, thinking: Thinking, limit: int | None = None) -> tuple[Any, Any, Any, tuple[str, ...]]:
    chat = ChatRequest(dialect="openai_chat", model="m", turns=(), sampling=Sampling(max_tokens=limit))
    losses = Losses({}, "bedrock_converse")
    more: dict[str, Any] = {}
    config: dict[str, Any] = {}
    output: dict[str, Any] = {}
    ThinkingWriter(chat, model, losses).write(thinking, more, config, output)
    return more, config, output, losses.fields


@pytest.mark.parametrize(
    ("model", "thinking", "limit", "more", "config", "output"),
    [
        (OLD, Thinking(effort="low"), None, {"thinking": {"type": "enabled", "budget_tokens": 2048}},
         {"maxTokens": 6144}, {}),
        (OLD, Thinking(budget_tokens=5000), 4000, {"thinking": {"type": "enabled", "budget_tokens": 3999}}, {}, {}),
        (OLD, Thinking(effort="none"), None, {"thinking": {"type": "disabled"}}, {}, {}),
        (NEW, Thinking(effort="minimal"), 9, {"thinking": {"type": "adaptive"}}, {}, {"effort": "low"}),
        (NEW, Thinking(budget_tokens=-1), 9, {"thinking": {"type": "adaptive"}}, {}, {}),
        ("amazon.nova-2-lite-v1:0", Thinking(effort="max"), 9,
         {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}, {}, {}),
        ("amazon.nova-2-lite-v1:0", Thinking(budget_tokens=0), 9, {"reasoningConfig": {"type": "disabled"}}, {}, {}),
        ("openai.gpt-oss-120b-1:0", Thinking(effort="minimal"), 9, {"reasoning_effort": "low"}, {}, {}),
    ],
)  # fmt: skip
def test_each_model_is_told_in_its_own_words(
    model: str, thinking: Thinking, limit: int | None, more: Any, config: Any, output: Any
) -> None:
    assert written(model, thinking, limit) == (more, config, output, ())


@pytest.mark.parametrize(("model", "limit"), [("meta.llama3", 9), (OLD, 1000), ("openai.gpt-oss-20b", 9)])
def test_where_it_cannot_be_said_it_is_left_out_by_name(model: str, limit: int) -> None:
    assert written(model, Thinking(budget_tokens=4096), limit)[3] == ("thinking",)
