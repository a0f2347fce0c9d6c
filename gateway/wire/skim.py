"""Usage, model and finish reasons of a whole answer, without building the rest of it.

Where no rule looks at an answer its text need not become Python objects: a typed decoder walks over it and keeps a few
numbers. What does not fit the types is read again, tolerantly.
"""

from __future__ import annotations

import msgspec
import orjson

from gateway.core.exchange import AnswerFacts
from gateway.core.usage import Usage, set_apart
from gateway.wire.openai_answer import read_answer
from gateway.wire.openai_usage import openai_usage


class _Choice(msgspec.Struct, gc=False):
    finish_reason: str | None = None


class _Input(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class _Output(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int
    completion_tokens: int = 0
    prompt_tokens_details: _Input | None = None
    completion_tokens_details: _Output | None = None
    prompt_cache_hit_tokens: int | None = None


class _Answer(msgspec.Struct):
    usage: _Usage
    model: str = ""
    choices: list[_Choice] = []
    service_tier: str | None = None


_decode = msgspec.json.Decoder(_Answer).decode


def skim(body: bytes) -> AnswerFacts:
    """Read the facts of an answer in OpenAI's shape.

    Args:
        body: A whole answer.

    Returns:
        The same as :func:`~gateway.wire.openai_answer.read_answer` of the parsed body; nothing when it is no JSON.
    """
    try:
        answer = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _tolerant(body)
    choices, usage = answer.choices, answer.usage
    if len(choices) == 1:
        reason = choices[0].finish_reason or ""
    else:
        reason = ",".join(dict.fromkeys(choice.finish_reason for choice in choices if choice.finish_reason))
    return AnswerFacts(model_served=answer.model, finish_reason=reason, usage=_usage(usage, answer.service_tier))


def _usage(usage: _Usage, tier: str | None) -> Usage | None:
    fresh, text = usage.prompt_tokens, usage.completion_tokens
    into, out = usage.prompt_tokens_details, usage.completion_tokens_details
    cached = usage.prompt_cache_hit_tokens or 0
    reasoning = 0
    if into is not None:
        if into.cache_write_tokens or into.audio_tokens or into.image_tokens:
            return set_apart(openai_usage(msgspec.to_builtins(usage)), tier)
        if into.cached_tokens is not None:
            cached = into.cached_tokens
    if out is not None:
        if out.audio_tokens or out.image_tokens:
            return set_apart(openai_usage(msgspec.to_builtins(usage)), tier)
        reasoning = out.reasoning_tokens or 0
    if 0 <= cached <= fresh and 0 <= reasoning <= text:
        told = Usage(fresh - cached, cached, 0, text - reasoning, reasoning)
        return told if tier is None or tier == "default" else set_apart(told, tier)
    return set_apart(openai_usage(msgspec.to_builtins(usage)), tier)


def _tolerant(body: bytes) -> AnswerFacts:
    try:
        return read_answer(orjson.loads(body))
    except orjson.JSONDecodeError:
        return AnswerFacts()
