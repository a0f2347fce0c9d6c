"""Whole messages, read and written."""

from __future__ import annotations

from typing import Any

from gateway.core.chat import (
    ChatAnswer,
    ChatRequest,
    Choice,
    Media,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from gateway.core.errors import InvalidAnswer, MalformedRequest
from gateway.wire.anthropic_messages.chat_blocks import read_content
from gateway.wire.anthropic_messages.chat_pieces import read_finish, write_citation, write_finish
from gateway.wire.anthropic_messages.request import DIALECT_NAME
from gateway.wire.anthropic_messages.usage import read_usage, write_usage
from gateway.wire.block_calls import arguments_object, call_id
from gateway.wire.shapes import is_array, is_object, is_text


def read_answer(document: Any) -> ChatAnswer:
    """Read an answer: see :meth:`gateway.core.codec.ChatCodec.read_answer`."""
    content = document.get("content") if is_object(document) else None
    if not is_object(document) or not is_array(content):
        raise InvalidAnswer("The provider's answer is no message.")
    try:
        parts: list[Part] = read_content(content, "content")
    except MalformedRequest as error:
        # Read by the rules of requests, where the same message may stand as history.
        raise InvalidAnswer(f"The provider's answer is no message: {error.public_message}") from None
    if said := explanation(document.get("stop_details")):
        parts.append(Refusal(text=said))
    raw, stopped_by = document.get("usage"), document.get("stop_sequence")
    choice = Choice(
        index=0,
        parts=tuple(parts),
        finish=read_finish(document.get("stop_reason")),
        stop_sequence=stopped_by if is_text(stopped_by) else None,
    )
    return ChatAnswer(
        id=_text(document, "id"),
        model=_text(document, "model"),
        choices=(choice,),
        usage=read_usage(raw),
        service_tier=_text(raw, "service_tier") if is_object(raw) else "",
    )


def explanation(details: Any) -> str:
    """The words of a refusal, where the provider has some."""
    return _text(details, "explanation") if is_object(details) else ""


def write_answer(answer: ChatAnswer, chat: ChatRequest) -> dict[str, Any]:
    """Write an answer: see :meth:`gateway.core.codec.ChatCodec.write_answer`. Of several the first is the message."""
    choice = answer.choices[0] if answer.choices else Choice(index=0, parts=())
    calls = sum(isinstance(part, ToolCall) for part in choice.parts)
    refused = any(isinstance(part, Refusal) for part in choice.parts)
    finish = "refusal" if refused and choice.finish in (None, "stop") else choice.finish
    return {
        "id": message_id(answer.id),
        "type": "message",
        "role": "assistant",
        "model": answer.model or chat.model,
        "content": _blocks(choice.parts),
        "stop_reason": write_finish(finish, called=calls > 0),
        "stop_sequence": choice.stop_sequence if finish == "stop_sequence" else None,
        "usage": write_usage(answer.usage),
    }


def message_id(identity: str) -> str:
    """Give a message its id: the provider's, and one that says that there was none."""
    return identity or "msg_0"


def _blocks(parts: tuple[Part, ...]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    calls = 0
    for part in parts:
        block = _call(part, calls) if isinstance(part, ToolCall) else _block(part)
        calls += isinstance(part, ToolCall)
        if block is not None:
            blocks.append(block)
    return blocks


def _block(part: Part) -> dict[str, Any] | None:
    if isinstance(part, Text):
        cited = [note for each in part.citations if (note := write_citation(each)) is not None]
        return {"type": "text", "text": part.text, "citations": cited or None} if part.text or cited else None
    if isinstance(part, Refusal):
        return {"type": "text", "text": part.text, "citations": None}
    if isinstance(part, Reasoning):
        return _thought(part)
    if isinstance(part, Opaque) and part.dialect == DIALECT_NAME:
        return part.document
    if isinstance(part, Media) and part.text:
        # What was spoken: sound itself has no place here.
        return {"type": "text", "text": part.text, "citations": None}
    return None


def _thought(part: Reasoning) -> dict[str, Any] | None:
    own = part.origin == DIALECT_NAME
    if own and part.encrypted:
        return {"type": "redacted_thinking", "data": part.encrypted}
    if part.text or (own and part.signature):
        return {"type": "thinking", "thinking": part.text, "signature": part.signature if own else ""}
    return None


def _call(call: ToolCall, number: int) -> dict[str, Any]:
    given = {"input": call.arguments} if call.custom else arguments_object(call.arguments)
    if given is None:
        raise InvalidAnswer(f"The arguments of the provider's call '{call.id or call.name}' are no JSON object.")
    return {"type": "tool_use", "id": call_id(call.id, number), "name": call.name, "input": given}


def _text(holder: dict[str, Any], name: str) -> str:
    value = holder.get(name)
    return value if is_text(value) else ""
