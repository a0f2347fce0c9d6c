"""What the captured bodies of a call say: the conversation, and the answer to it, whichever dialect they are in.

Bodies are those that the client sent and got, after redaction, and a stream is kept as the document it amounts to. A
body that was cut at its size is no document any more, and is not guessed at.
"""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from gateway.core.chat import ChatAnswer, ChatRequest, Part, ToolCall, ToolResult
from gateway.core.errors import GatewayError
from gateway.wire.bridge import CODECS
from gateway.wire.shapes import is_object


class Unreadable(Exception):
    """There is no conversation in these bodies; the message says why, in a few words that many calls share."""


class Captured(msgspec.Struct, frozen=True):
    """A conversation and what was answered."""

    chat: ChatRequest
    answer: ChatAnswer


def read_captured(dialect: str, route: str, request_body: str | None, response_body: str | None) -> Captured:
    """Read both bodies of a call.

    Args:
        dialect: Of the client.
        route: As recorded: some dialects name the model there.
        request_body: As captured.
        response_body: As captured.

    Raises:
        Unreadable: They hold no whole conversation.
    """
    return Captured(read_request(dialect, route, request_body), read_answer(dialect, response_body))


def read_request(dialect: str, route: str, body: str | None) -> ChatRequest:
    """Read what was asked; raises as :func:`read_captured`."""
    codec = CODECS.get(dialect)
    if codec is None:
        raise Unreadable("no conversation")
    try:
        return codec.read_request(_document(body, "request"), route)
    except GatewayError:
        raise Unreadable("request cannot be read") from None


def read_answer(dialect: str, body: str | None) -> ChatAnswer:
    """Read what was answered; raises as :func:`read_captured`."""
    codec = CODECS.get(dialect)
    if codec is None:
        raise Unreadable("no conversation")
    try:
        return codec.read_answer(_document(body, "answer"))
    except GatewayError:
        raise Unreadable("answer cannot be read") from None


def calls_in(answer: ChatAnswer) -> list[ToolCall]:
    """The tools that an answer calls, in order."""
    return [part for choice in answer.choices for part in choice.parts if isinstance(part, ToolCall)]


def results_in(chat: ChatRequest) -> list[ToolResult]:
    """The results of tools that a request brings since the model last spoke, in order."""
    results: list[ToolResult] = []
    for turn in reversed(chat.turns):
        if turn.role == "assistant":
            break
        results[:0] = [part for part in turn.parts if isinstance(part, ToolResult)]
    return results


def spoken(answer: ChatAnswer) -> tuple[Part, ...]:
    """The parts of the first answer."""
    return answer.choices[0].parts if answer.choices else ()


def _document(body: str | None, what: str) -> Any:
    if not body:
        raise Unreadable(f"{what} not captured")
    try:
        document: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Unreadable(f"{what} cut") from None
    if not is_object(document):
        raise Unreadable(f"{what} cannot be read")
    return document
