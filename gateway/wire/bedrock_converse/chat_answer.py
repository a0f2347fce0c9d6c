"""Whole answers, read and written."""

from __future__ import annotations

from typing import Any

from gateway.core.chat import (
    ChatAnswer,
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
from gateway.wire.bedrock_converse.answer import message_of, routed_model
from gateway.wire.bedrock_converse.chat_blocks import read_content
from gateway.wire.bedrock_converse.chat_pieces import (
    IMAGES,
    SEALED_BY,
    read_finish,
    text_of,
    write_citation,
    write_finish,
)
from gateway.wire.bedrock_converse.request import DIALECT_NAME
from gateway.wire.bedrock_converse.usage import read_usage, write_tier, write_usage
from gateway.wire.block_calls import arguments_object, call_id
from gateway.wire.shapes import is_array, is_object, is_text


def read_answer(document: Any) -> ChatAnswer:
    """Read an answer: see :meth:`gateway.core.codec.ChatCodec.read_answer`."""
    content = message_of(document).get("content")
    if not is_object(document) or not is_array(content):
        raise InvalidAnswer("The provider's answer holds no message.")
    try:
        parts: list[Part] = read_content(content, "content")
    except MalformedRequest as error:
        # Read by the rules of requests, where the same message may stand as history.
        raise InvalidAnswer(f"The provider's answer is no message: {error.public_message}") from None
    choice = Choice(
        index=0,
        parts=tuple(parts),
        finish=read_finish(document.get("stopReason")),
        stop_sequence=stopped_by(document),
    )
    tier = document.get("serviceTier")
    return ChatAnswer(
        id="",
        model=routed_model(document.get("trace")),
        choices=(choice,),
        usage=read_usage(document.get("usage"), document.get("serviceTier")),
        service_tier=text_of(tier, "type") if is_object(tier) else "",
    )


def stopped_by(document: dict[str, Any]) -> str | None:
    """Which of the caller's sequences ended the answer, where the caller asked for the model to say so."""
    more = document.get("additionalModelResponseFields")
    said = more.get("stop_sequence") if is_object(more) else None
    return said if is_text(said) and said else None


def write_answer(answer: ChatAnswer) -> dict[str, Any]:
    """Write an answer: see :meth:`gateway.core.codec.ChatCodec.write_answer`. Of several the first is the message."""
    choice = answer.choices[0] if answer.choices else Choice(index=0, parts=())
    called = any(isinstance(part, ToolCall) for part in choice.parts)
    refused = any(isinstance(part, Refusal) for part in choice.parts)
    finish = "refusal" if refused and choice.finish in (None, "stop") else choice.finish
    written: dict[str, Any] = {
        "output": {"message": {"role": "assistant", "content": _blocks(choice.parts)}},
        "stopReason": write_finish(finish, called=called),
        "usage": write_usage(answer.usage),
    }
    if choice.stop_sequence is not None and finish == "stop_sequence":
        written["additionalModelResponseFields"] = {"stop_sequence": choice.stop_sequence}
    return written | write_tier(answer.service_tier)


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
        notes = [note for each in part.citations if (note := write_citation(each)) is not None]
        if notes:
            return {"citationsContent": {"content": [{"text": part.text}], "citations": notes}}
        return {"text": part.text} if part.text else None
    if isinstance(part, Refusal):
        return {"text": part.text}
    if isinstance(part, Reasoning):
        return thought(part.text, part.signature, part.encrypted, part.origin)
    if isinstance(part, Opaque) and part.dialect == DIALECT_NAME:
        return part.document
    if isinstance(part, Media):
        return _media(part)
    return None


def thought(text: str, signature: str, encrypted: str, origin: str) -> dict[str, Any] | None:
    """Write a thought with its seal, where the seal is one that is known here."""
    own = origin == SEALED_BY
    if own and encrypted:
        return {"reasoningContent": {"redactedContent": encrypted}}
    if own and signature:
        return {"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}}
    return {"reasoningContent": {"reasoningText": {"text": text}}} if text else None


def _media(media: Media) -> dict[str, Any] | None:
    written = IMAGES.get(media.media_type)
    if media.kind == "image" and media.data and written is not None:
        return {"image": {"format": written, "source": {"bytes": media.data}}}
    # What was spoken: sound itself has no place in an answer here.
    return {"text": media.text} if media.text else None


def _call(call: ToolCall, number: int) -> dict[str, Any]:
    given = {"input": call.arguments} if call.custom else arguments_object(call.arguments)
    if given is None:
        raise InvalidAnswer(f"The arguments of the provider's call '{call.id or call.name}' are no JSON object.")
    return {"toolUse": {"toolUseId": call_id(call.id, number), "name": call.name, "input": given}}
