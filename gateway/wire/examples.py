"""Calls written as examples that models are tuned with, in the formats of OpenAI and of Anthropic.

An example is one conversation that ends with what the assistant said. What a model thought is left out, since nobody
trains on it; what a format has no place for makes a call no example, and is never dropped from one in silence.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from gateway.core.chat import ChatRequest, Media, Part, Reasoning, Text, ToolCall, ToolResult, Turn
from gateway.core.errors import GatewayError
from gateway.core.losses import Losses
from gateway.wire.bridge import CODECS
from gateway.wire.captured import Captured, Unreadable, spoken

ExampleFormat = Literal["openai-finetune", "anthropic-finetune"]
_DIALECTS: dict[ExampleFormat, str] = {"openai-finetune": "openai_chat", "anthropic-finetune": "anthropic_messages"}
FORMATS: tuple[ExampleFormat, ...] = tuple(_DIALECTS)
_ENDINGS = frozenset({"stop", "stop_sequence", "tool_calls"})
_KEPT: dict[ExampleFormat, tuple[str, ...]] = {
    "openai-finetune": ("messages", "tools", "parallel_tool_calls"),
    "anthropic-finetune": ("system", "messages"),
}
_MODEL = "model"
_NO_PLACE = "holds what the format has no place for"


def example_of(captured: Captured, wanted: ExampleFormat) -> dict[str, Any]:
    """Write a call as an example.

    Raises:
        Unreadable: It makes none; the message says why.
    """
    chat = captured.chat
    if chat.previous or chat.prefilled:
        raise Unreadable("goes on with what is not in it")
    if not captured.answer.choices or captured.answer.choices[0].finish not in _ENDINGS:
        raise Unreadable("answer is not whole")
    parts = _trained_on(spoken(captured.answer))
    if not any(isinstance(part, ToolCall) or (isinstance(part, Text) and part.text.strip()) for part in parts):
        raise Unreadable("answer says nothing")
    turns = [msgspec.structs.replace(turn, parts=_trained_on(turn.parts)) for turn in chat.turns]
    told = ChatRequest(
        dialect=chat.dialect,
        model=_MODEL,
        turns=(*(turn for turn in turns if turn.parts), Turn(role="assistant", parts=parts)),
        tools=chat.tools,
        parallel_tools=chat.parallel_tools,
    )
    try:
        written = CODECS[_DIALECTS[wanted]].write_request(told, _MODEL, Losses({}, wanted)).document
    except GatewayError:
        raise Unreadable(_NO_PLACE) from None
    if wanted == "anthropic-finetune":
        _check_turns(written)
        if "system" in written:
            written["system"] = _system(written["system"])
    return {name: written[name] for name in _KEPT[wanted] if name in written}


def _trained_on(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Without thoughts, and without marks that say nothing to who is trained."""
    return tuple(_unmarked(part) for part in parts if not isinstance(part, Reasoning))


def _unmarked(part: Part) -> Part:
    if isinstance(part, Text):
        return msgspec.structs.replace(part, cache=None, citations=())
    if isinstance(part, Media | ToolCall | ToolResult):
        return msgspec.structs.replace(part, cache=None)
    return part


def _check_turns(written: dict[str, Any]) -> None:
    """User and assistant in turn, the user first, and nothing about tools: the format knows no more."""
    roles = [message["role"] for message in written["messages"]]
    wanted = ["user", "assistant"] * (len(roles) // 2)
    if written.get("tools") or roles != wanted or any(_of_tools(message) for message in written["messages"]):
        raise Unreadable(_NO_PLACE)


def _of_tools(message: dict[str, Any]) -> bool:
    content = message["content"]
    return not isinstance(content, str) and any(block.get("type") not in ("text", "image") for block in content)


def _system(blocks: Any) -> Any:
    """One text, where it is nothing but texts: the format takes no list there."""
    texts = [block["text"] for block in blocks if block.get("type") == "text"]
    if len(texts) != len(blocks):
        raise Unreadable(_NO_PLACE)
    return "\n\n".join(texts)
