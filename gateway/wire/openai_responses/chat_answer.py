"""Whole answers, read and written."""

from __future__ import annotations

from typing import Any

from gateway.core.chat import ChatAnswer, ChatRequest, Choice, Part, Refusal, Text, TokenLogprob, ToolCall
from gateway.core.errors import InvalidAnswer
from gateway.core.losses import Losses
from gateway.core.usage import Usage
from gateway.wire.openai_responses.answer import read_answer as read_facts
from gateway.wire.openai_responses.chat_items import Items
from gateway.wire.openai_responses.chat_pieces import read_finish, read_logprobs, text_of, write_finish, write_usage
from gateway.wire.openai_responses.chat_request_writer import write_choice, write_format, write_thinking, write_tools
from gateway.wire.openai_responses.chat_turns import read_model_item
from gateway.wire.openai_responses.errors import failure_of
from gateway.wire.openai_responses.request import DIALECT_NAME
from gateway.wire.shapes import is_array, is_object


def read_answer(document: Any) -> ChatAnswer:
    """Read an answer: see :meth:`gateway.core.codec.ChatCodec.read_answer`."""
    output = document.get("output") if is_object(document) else None
    if not is_object(document) or not is_array(output):
        raise InvalidAnswer("The provider's answer is no response.")
    if document.get("status") == "failed":
        raise failure_of(document)
    parts: list[Part] = []
    for item in output:
        if not is_object(item):
            raise InvalidAnswer("The provider's answer has an item that is no object.")
        parts += read_model_item(item)
    called = any(isinstance(part, ToolCall) for part in parts)
    refused = any(isinstance(part, Refusal) for part in parts)
    choice = Choice(
        index=0,
        parts=tuple(parts),
        finish=read_finish(document, called=called, refused=refused),
        logprobs=_logprobs(output),
    )
    return ChatAnswer(
        id=text_of(document, "id"),
        model=text_of(document, "model"),
        choices=(choice,),
        usage=read_facts(document).usage,
        created_s=created_s(document),
        service_tier=text_of(document, "service_tier"),
    )


def created_s(document: dict[str, Any]) -> int:
    """When an answer was begun; 0 when it does not say. Some servers say it in fractions."""
    made = document.get("created_at")
    return int(made) if isinstance(made, (int, float)) and not isinstance(made, bool) else 0


def _logprobs(output: list[Any]) -> tuple[TokenLogprob, ...] | None:
    tokens: list[TokenLogprob] = []
    for item in output:
        content = item.get("content")
        for part in content if is_array(content) else ():
            tokens += (read_logprobs(part.get("logprobs")) if is_object(part) else None) or ()
    return tuple(tokens) or None


def write_answer(answer: ChatAnswer, chat: ChatRequest) -> dict[str, Any]:
    """Write an answer: see :meth:`gateway.core.codec.ChatCodec.write_answer`."""
    choice = answer.choices[0] if answer.choices else Choice(index=0, parts=())
    items = Items(answer.id, logprobs=choice.logprobs)
    for part in choice.parts:
        items.add(part)
    document = envelope(chat, answer.id, answer.model, answer.created_s, answer.service_tier)
    return ended(document, items.done(), write_finish(choice.finish), answer.usage)


def envelope(chat: ChatRequest, identity: str, model: str, made_s: int, tier: str) -> dict[str, Any]:
    """What an answer says before there is anything in it: itself, and what was asked."""
    losses = Losses({}, DIALECT_NAME, "drop")
    told = [turn for turn in chat.turns[:1] if turn.role == "system" and chat.dialect == DIALECT_NAME]
    instructions = "".join([part.text for turn in told for part in turn.parts if isinstance(part, Text)])
    document: dict[str, Any] = {
        "id": identity,
        "object": "response",
        "created_at": made_s,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": instructions or None,
        "max_output_tokens": chat.sampling.max_tokens,
        "metadata": chat.metadata,
        "model": model,
        "output": [],
        "parallel_tool_calls": chat.parallel_tools is not False,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "temperature": chat.sampling.temperature,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto" if chat.tool_choice is None else write_choice(chat.tool_choice, chat.tools),
        "tools": write_tools(chat.tools, losses),
        "top_p": chat.sampling.top_p,
        "truncation": "disabled",
        "usage": None,
    }
    if chat.thinking is not None:
        document["reasoning"] |= write_thinking(chat.thinking, losses)
    if chat.format is not None:
        document["text"] = {"format": write_format(chat.format)}
    if tier:
        document["service_tier"] = tier
    if chat.user:
        document["user"] = chat.user
    return document


def ended(
    document: dict[str, Any],
    output: list[dict[str, Any]],
    how: tuple[str, dict[str, Any] | None],
    usage: Usage | None,
) -> dict[str, Any]:
    """The same answer when it has ended."""
    status, details = how
    if status == "incomplete" and output and "status" in output[-1]:
        output = [*output[:-1], {**output[-1], "status": "incomplete"}]
    return {
        **document,
        "status": status,
        "incomplete_details": details,
        "output": output,
        "usage": None if usage is None else write_usage(usage),
    }
