"""Whole answers, read and written."""

from __future__ import annotations

from typing import Any

from gateway.core.chat import ChatAnswer, ChatRequest, Choice, Media, Part, Reasoning, Refusal, Text, ToolCall
from gateway.core.errors import InvalidAnswer, MalformedRequest
from gateway.wire.gemini.answer import block_reason
from gateway.wire.gemini.chat_pieces import (
    read_citations,
    read_finish,
    read_logprobs,
    read_part,
    text_of,
    write_call,
    write_citations,
    write_finish,
    write_logprobs,
)
from gateway.wire.gemini.request import DIALECT_NAME
from gateway.wire.gemini.spelling import listed, read
from gateway.wire.gemini.stream import candidate_index
from gateway.wire.gemini.usage import as_metadata, told_usage
from gateway.wire.shapes import is_object


def read_answer(document: Any) -> ChatAnswer:
    """Read an answer: see :meth:`gateway.core.codec.ChatCodec.read_answer`."""
    if not is_object(document):
        raise InvalidAnswer("The provider's answer is no answer of this dialect.")
    choices = tuple(_choice(each) for each in listed(document.get("candidates")) if is_object(each))
    if not choices and block_reason(document):
        # The prompt was not taken: no answer at all, and the reason is the whole of it.
        choices = (Choice(index=0, parts=(), finish="content_filter"),)
    if not choices:
        raise InvalidAnswer("The provider's answer has no candidate.")
    return ChatAnswer(
        id=text_of(document, "responseId"),
        model=text_of(document, "modelVersion"),
        choices=choices,
        usage=told_usage(document),
    )


def _choice(candidate: dict[str, Any]) -> Choice:
    parts: list[Part] = []
    for part in listed(read(candidate.get("content"), "parts")):
        if is_object(part):
            parts += read_part(part)
    parts = _joined(parts)
    texts = [part for part in parts if isinstance(part, Text)]
    citations = read_citations(candidate, "".join(part.text for part in texts))
    if citations and texts:
        # Places are counted from the start of all text; nearly always there is one piece of it.
        at = parts.index(texts[0])
        parts[at] = Text(text=texts[0].text, citations=citations)
    called = any(isinstance(part, ToolCall) for part in parts)
    return Choice(
        index=candidate_index(candidate),
        parts=tuple(parts),
        finish=read_finish(candidate.get("finishReason"), called=called),
        logprobs=read_logprobs(candidate.get("logprobsResult")),
    )


def _joined(parts: list[Part]) -> list[Part]:
    """Join texts that stand next to each other."""
    joined: list[Part] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, Text) and isinstance(last, Text):
            joined[-1] = Text(text=last.text + part.text)
        else:
            joined.append(part)
    return joined


def write_answer(answer: ChatAnswer, chat: ChatRequest) -> dict[str, Any]:
    """Write an answer: see :meth:`gateway.core.codec.ChatCodec.write_answer`."""
    thoughts = shows_thoughts(chat)
    document: dict[str, Any] = {"candidates": [_written(choice, thoughts=thoughts) for choice in answer.choices]}
    if answer.usage is not None:
        document["usageMetadata"] = as_metadata(answer.usage)
    document["modelVersion"] = answer.model
    if answer.id:
        document["responseId"] = answer.id
    return document


def shows_thoughts(chat: ChatRequest) -> bool:
    """Say whether the client asked for thoughts; others are not shown any."""
    return chat.thinking is not None and chat.thinking.visible is True


def _written(choice: Choice, *, thoughts: bool) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    citations: list[dict[str, Any]] = []
    length = 0
    for part in choice.parts:
        if isinstance(part, Text):
            citations += write_citations(part.citations, length)
            length += len(part.text)
        _part(part, parts, thoughts=thoughts)
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}} if parts else {}
    if choice.finish is not None:
        candidate["finishReason"] = write_finish(choice.finish)
    candidate["index"] = choice.index
    if citations:
        candidate["citationMetadata"] = {"citations": citations}
    if choice.logprobs is not None:
        candidate["logprobsResult"] = write_logprobs(choice.logprobs)
    return candidate


def _part(part: Part, parts: list[dict[str, Any]], *, thoughts: bool) -> None:
    if isinstance(part, (Text, Refusal)):
        if part.text:
            parts.append({"text": part.text})
    elif isinstance(part, Reasoning):
        _thought(part, parts, thoughts=thoughts)
    elif isinstance(part, ToolCall):
        parts.append(answered_call(part))
    elif isinstance(part, Media) and part.data:
        parts.append({"inlineData": {"mimeType": part.media_type or f"{part.kind}/*", "data": part.data}})
    elif isinstance(part, Media) and part.text:
        parts.append({"text": part.text})


def _thought(part: Reasoning, parts: list[dict[str, Any]], *, thoughts: bool) -> None:
    sealed = {"thoughtSignature": part.signature} if part.signature and part.origin == DIALECT_NAME else {}
    if part.text and thoughts:
        parts.append({"text": part.text, "thought": True, **sealed})
    elif sealed and parts and parts[-1].keys() == {"text"}:
        parts[-1] |= sealed
    elif sealed:
        parts.append({"text": "", **sealed})


def answered_call(call: ToolCall) -> dict[str, Any]:
    """Write a call of an answer.

    Raises:
        InvalidAnswer: Its arguments are no JSON object.
    """
    try:
        return write_call(call)
    except MalformedRequest as error:
        # What a model has made, not what a client has sent.
        raise InvalidAnswer(error.public_message) from None
