"""Whole chat answers, read and written."""

from __future__ import annotations

from typing import Any

from gateway.core.chat import ChatAnswer, Choice, Media, Part, Reasoning, Refusal, Text, ToolCall
from gateway.core.errors import InvalidAnswer, MalformedRequest
from gateway.core.usage import set_apart
from gateway.wire.openai_chat.chat_pieces import (
    made_id,
    read_citations,
    read_finish,
    read_logprobs,
    write_citations,
    write_finish,
    write_logprobs,
)
from gateway.wire.openai_chat.chat_turns import read_call, read_content
from gateway.wire.openai_chat.chat_usage import write_usage
from gateway.wire.openai_chat.request import DIALECT_NAME
from gateway.wire.openai_usage import openai_usage
from gateway.wire.shapes import is_array, is_integer, is_object, is_text


def read_answer(document: Any) -> ChatAnswer:
    """Read an answer: see :meth:`gateway.core.codec.ChatCodec.read_answer`."""
    choices = document.get("choices") if is_object(document) else None
    if not is_array(choices) or not choices:
        raise InvalidAnswer("The provider's answer is no chat completion.")
    created = document.get("created")
    return ChatAnswer(
        id=_text(document, "id"),
        model=_text(document, "model"),
        choices=tuple(_choice(choice, at) for at, choice in enumerate(choices)),
        usage=set_apart(openai_usage(document.get("usage")), document.get("service_tier")),
        created_s=created if is_integer(created) else 0,
        service_tier=_text(document, "service_tier"),
        fingerprint=_text(document, "system_fingerprint"),
    )


def _choice(choice: Any, at: int) -> Choice:
    message = choice.get("message") if is_object(choice) else None
    if not is_object(message):
        raise InvalidAnswer("The provider's answer has a choice without a message.")
    index = choice.get("index")
    try:
        parts = _parts(message)
    except MalformedRequest as error:
        # Read by the rules of requests, where the same message may stand as history.
        raise InvalidAnswer(f"The provider's answer is no chat completion: {error.public_message}") from None
    refused = any(isinstance(part, Refusal) for part in parts)
    return Choice(
        index=index if is_integer(index) else at,
        parts=parts,
        finish=read_finish(choice.get("finish_reason"), refused=refused),
        logprobs=read_logprobs(choice.get("logprobs")),
    )


def _parts(message: dict[str, Any]) -> tuple[Part, ...]:
    parts: list[Part] = []
    if thought := _text(message, "reasoning_content") or _text(message, "reasoning"):
        parts.append(Reasoning(text=thought, origin=DIALECT_NAME))
    said = read_content(message.get("content"), "message.content")
    citations = read_citations(message.get("annotations"))
    if citations and said and isinstance(first := said[0], Text):
        said[0] = Text(text=first.text, citations=citations)
    parts += said
    if refusal := _text(message, "refusal"):
        parts.append(Refusal(text=refusal))
    if is_object(audio := message.get("audio")):
        parts.append(
            Media(kind="audio", data=_text(audio, "data"), file_id=_text(audio, "id"), text=_text(audio, "transcript"))
        )
    if is_array(calls := message.get("tool_calls")):
        parts += [read_call(call, f"message.tool_calls[{at}]") for at, call in enumerate(calls)]
    if is_object(legacy := message.get("function_call")):
        parts.append(ToolCall(id="call_0", name=_text(legacy, "name"), arguments=_text(legacy, "arguments")))
    return tuple(parts)


def write_answer(answer: ChatAnswer) -> dict[str, Any]:
    """Write an answer: see :meth:`gateway.core.codec.ChatCodec.write_answer`."""
    document: dict[str, Any] = {
        "id": answer.id,
        "object": "chat.completion",
        "created": answer.created_s,
        "model": answer.model,
        "choices": [_written(choice, answer.id) for choice in answer.choices],
    }
    if answer.usage is not None:
        document["usage"] = write_usage(answer.usage)
    if answer.service_tier:
        document["service_tier"] = answer.service_tier
    if answer.fingerprint:
        document["system_fingerprint"] = answer.fingerprint
    return document


def _written(choice: Choice, answer_id: str) -> dict[str, Any]:
    message = _message(choice, answer_id)
    finish = None if choice.finish is None else write_finish(choice.finish, refused=message["refusal"] is not None)
    return {
        "index": choice.index,
        "message": message,
        "logprobs": write_logprobs(choice.logprobs),
        "finish_reason": finish,
    }


def _message(choice: Choice, answer_id: str) -> dict[str, Any]:
    parts = choice.parts
    text = ""
    notes: list[dict[str, Any]] = []
    for part in parts:
        if isinstance(part, Text):
            notes += write_citations(part.citations, len(text))
            text += part.text
    refusal = "".join([part.text for part in parts if isinstance(part, Refusal)])
    thoughts = "".join([part.text for part in parts if isinstance(part, Reasoning)])
    calls = [part for part in parts if isinstance(part, ToolCall)]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": text if text or not (calls or refusal) else None,
        "refusal": refusal or None,
    }
    if thoughts:
        message["reasoning_content"] = thoughts
    if notes:
        message["annotations"] = notes
    if calls:
        message["tool_calls"] = [
            _call(call, call.id or made_id(answer_id, choice.index, at)) for at, call in enumerate(calls)
        ]
    for part in parts:
        if isinstance(part, Media) and part.kind == "audio":
            message["audio"] = {"id": part.file_id, "data": part.data, "transcript": part.text, "expires_at": 0}
    return message


def _call(call: ToolCall, identity: str) -> dict[str, Any]:
    if call.custom:
        return {"id": identity, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    return {"id": identity, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _text(holder: dict[str, Any], name: str) -> str:
    value = holder.get(name)
    return value if is_text(value) else ""
