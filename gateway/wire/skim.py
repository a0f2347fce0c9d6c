"""Usage, model and finish reasons of a whole answer, without building the rest of it.

Where no rule looks at an answer its text need not become Python objects: a typed decoder walks over it and keeps a few
numbers. What does not fit the types is read again, tolerantly.
"""

from __future__ import annotations

import msgspec
import orjson

from gateway.core.exchange import AnswerFacts
from gateway.core.usage import Usage
from gateway.wire.openai_answer import read_answer
from gateway.wire.openai_usage import openai_usage


class _Choice(msgspec.Struct, gc=False):
    finish_reason: str | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int
    completion_tokens: int = 0
    prompt_tokens_details: msgspec.Raw | None = None
    completion_tokens_details: msgspec.Raw | None = None
    prompt_cache_hit_tokens: int = 0


class _Answer(msgspec.Struct):
    usage: _Usage
    model: str = ""
    choices: list[_Choice] = []


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
    except (msgspec.ValidationError, msgspec.DecodeError):
        return _tolerant(body)
    choices, usage = answer.choices, answer.usage
    if len(choices) == 1:
        reason = choices[0].finish_reason or ""
    else:
        reason = ",".join(dict.fromkeys(choice.finish_reason for choice in choices if choice.finish_reason))
    return AnswerFacts(model_served=answer.model, finish_reason=reason, usage=_usage(usage))


def _usage(usage: _Usage) -> Usage | None:
    if usage.prompt_tokens < 0 or usage.completion_tokens < 0:
        return openai_usage({"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens})
    if (
        usage.prompt_tokens_details is None
        and usage.completion_tokens_details is None
        and not usage.prompt_cache_hit_tokens
    ):
        return Usage(input_fresh_tokens=usage.prompt_tokens, output_text_tokens=usage.completion_tokens)
    details = (usage.prompt_tokens_details or b"null", usage.completion_tokens_details or b"null")
    return openai_usage(
        {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "prompt_cache_hit_tokens": usage.prompt_cache_hit_tokens,
            "prompt_tokens_details": orjson.loads(details[0]),
            "completion_tokens_details": orjson.loads(details[1]),
        }
    )


def _tolerant(body: bytes) -> AnswerFacts:
    try:
        return read_answer(orjson.loads(body))
    except orjson.JSONDecodeError:
        return AnswerFacts()
