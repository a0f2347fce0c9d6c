"""The question and the answer in captured bodies, in whatever dialect a client wrote them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any

import msgspec
import orjson

from gateway.core.errors import GatewayError
from gateway.core.ports import Dialect
from gateway.core.segments import Path, Segment
from gateway.wire import (
    anthropic_messages,
    bedrock_converse,
    gemini,
    openai_chat,
    openai_completions,
    openai_embeddings,
    openai_responses,
    triton,
)

# More says nothing more of a language, a topic or a refusal.
MOST_CHARS = 2_000
_DIALECTS: dict[str, Dialect] = {
    module.DIALECT.name: module.DIALECT
    for module in (
        anthropic_messages, bedrock_converse, gemini, openai_chat, openai_completions, openai_embeddings,
        openai_responses, triton,
    )
}  # fmt: skip


class Texts(msgspec.Struct, frozen=True):
    """What was asked and what was said; empty where a body was not kept, was cut, or holds no such text."""

    question: str = ""
    answer: str = ""


def texts_of(dialect: str, request: str, response: str) -> Texts:
    """Read bodies. A dialect that is not known has no texts."""
    known = _DIALECTS.get(dialect)
    if known is None:
        return Texts()
    return Texts(_question(_segments(known.segments, request)), _answer(_segments(known.answer_segments, response)))


def _segments(read: Callable[[Any], Iterator[Segment]], body: str) -> list[Segment]:
    try:
        return list(read(orjson.loads(body))) if body else []
    except (orjson.JSONDecodeError, GatewayError):
        # Bodies are cut where they are too long; half a document is none.
        return []


def _question(segments: Iterable[Segment]) -> str:
    """The last message of the user; where nobody has a role, all that is there."""
    texts = [each for each in segments if each.kind == "text" and each.role in {"user", ""}]
    asked = [each for each in texts if each.role == "user"]
    last: list[Segment] = []
    for _, message in groupby(asked, key=_message):
        last = list(message)
    return _joined(last or texts)


def _answer(segments: Iterable[Segment]) -> str:
    return _joined(each for each in segments if each.kind in {"text", "refusal"} and each.role in {"assistant", ""})


def _message(segment: Segment) -> Path:
    return segment.path[:2]


def _joined(segments: Iterable[Segment]) -> str:
    return "\n".join(each.text for each in segments)[:MOST_CHARS]
