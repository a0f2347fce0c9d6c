"""How much a model is to think, in the words of the model itself: Converse has none of its own."""

from __future__ import annotations

import re
from typing import Any

from gateway.core.chat import ChatRequest, Effort, Thinking
from gateway.core.losses import Losses
from gateway.wire.bedrock_converse.request import DIALECT_NAME

# Models that take a budget in tokens; later ones of the line find their own, by effort.
_CLAUDE = re.compile(r"claude")
_BUDGETED = re.compile(r"claude-(?:3|(?:opus|sonnet|haiku)-4(?:-[0-5])?(?:-20\d{6}|-v\d|$))")
_NOVA = re.compile(r"nova-(?:2|premier-2)")
_BY_EFFORT = re.compile(r"gpt-oss|gpt-5|qwen3|deepseek\.v3|minimax|kimi")
_BUDGETS: dict[Effort, int] = {
    "minimal": 1_024, "low": 2_048, "medium": 8_192, "high": 16_384, "xhigh": 32_000, "max": 32_000,
}  # fmt: skip
_EFFORTS: dict[Effort, str] = {"minimal": "low", "xhigh": "high", "max": "high"}
_LEAST_BUDGET, _LEAST_ANSWER = 1_024, 4_096


class ThinkingWriter:
    """Writes it among the fields that go to the model as they are.

    Args:
        chat: What is asked.
        model: The name the provider knows.
        losses: Takes what has no place.
    """

    def __init__(self, chat: ChatRequest, model: str, losses: Losses) -> None:
        self._own = chat.dialect == DIALECT_NAME
        self._limit = chat.sampling.max_tokens
        self._model = model
        self._losses = losses

    def write(self, thinking: Thinking, more: dict[str, Any], config: dict[str, Any], output: dict[str, Any]) -> None:
        """Write it.

        Args:
            thinking: What is wanted.
            more: The model's own fields.
            config: ``inferenceConfig``: a budget needs room for it.
            output: ``outputConfig``.
        """
        model = self._model
        if self._own:
            self._as_it_came(thinking, more, output)
        elif _CLAUDE.search(model):
            self._claude(thinking, more, config, output)
        elif _NOVA.search(model):
            off = thinking.effort == "none" or thinking.budget_tokens == 0
            effort = _EFFORTS.get(thinking.effort or "medium", thinking.effort or "medium")
            more["reasoningConfig"] = {"type": "disabled"} if off else {"type": "enabled", "maxReasoningEffort": effort}
        elif _BY_EFFORT.search(model) and thinking.effort not in (None, "none"):
            more["reasoning_effort"] = _EFFORTS.get(thinking.effort or "medium", thinking.effort)
        else:
            self._losses.always("thinking")

    def _as_it_came(self, thinking: Thinking, more: dict[str, Any], output: dict[str, Any]) -> None:
        if thinking.effort is not None:
            output["effort"] = thinking.effort
        budget = thinking.budget_tokens
        if budget is not None:
            kind = "disabled" if budget == 0 else "adaptive" if budget < 0 else "enabled"
            more["thinking"] = {"type": kind, **({"budget_tokens": budget} if budget > 0 else {})}

    def _claude(self, thinking: Thinking, more: dict[str, Any], config: dict[str, Any], output: dict[str, Any]) -> None:
        effort, budget = thinking.effort, thinking.budget_tokens
        if effort == "none" or budget == 0:
            more["thinking"] = {"type": "disabled"}
            return
        if not _BUDGETED.search(self._model):
            more["thinking"] = {"type": "adaptive"}
            if effort is not None:
                output["effort"] = "low" if effort == "minimal" else effort
            return
        wanted = budget if budget is not None and budget > 0 else _BUDGETS[effort or "medium"]
        if self._limit is None:
            config["maxTokens"] = wanted + _LEAST_ANSWER
        else:
            # Thought is part of what a model may write: a limit that leaves no room for it goes before it.
            wanted = max(min(wanted, self._limit - 1), _LEAST_BUDGET)
            if wanted >= self._limit:
                self._losses.always("thinking")
                return
        more["thinking"] = {"type": "enabled", "budget_tokens": wanted}
