"""What a kept answer says: its words and its tool calls, whichever dialect it is in and however it came."""

from __future__ import annotations

import msgspec
import orjson

from gateway.core.cached import CachedAnswer
from gateway.core.chat import ChatAnswer, Refusal, Text, ToolCall
from gateway.core.chat_events import Argued, Called, ChatEvent, Refused
from gateway.core.chat_events import Said as Piece
from gateway.core.errors import GatewayError
from gateway.wire.aws_eventstream import MEDIA_TYPE as FRAMES
from gateway.wire.bridge import CODECS, EVENTS, splitter

_FRAMED = "bedrock_converse"


class Said(msgspec.Struct, frozen=True):
    """One answer, all its choices together.

    Attributes:
        text: Its words.
        calls: Names and arguments of the tools that it calls, in no order.
    """

    text: str
    calls: tuple[tuple[str, str], ...] = ()


def said_in(answer: CachedAnswer) -> Said | None:
    """Read a kept answer; see :func:`said_of`."""
    return said_of(answer.dialect, answer.body, stream=answer.stream)


def said_of(dialect: str, body: bytes, *, stream: bool) -> Said | None:
    """Read an answer; ``None`` where its dialect is none of conversations, or it cannot be read."""
    codec = CODECS.get(dialect)
    if codec is None:
        return None
    try:
        if not stream:
            return _whole(codec.read_answer(orjson.loads(body)))
        cut, reader = splitter(FRAMES if dialect == _FRAMED else EVENTS), codec.reader()
        events: list[ChatEvent] = []
        for piece in cut.feed(body):
            events += reader.feed(piece)
        if rest := cut.rest():
            events += reader.feed(rest)
        events += reader.finish()
    except (GatewayError, orjson.JSONDecodeError):
        return None
    return _streamed(events)


def _whole(answer: ChatAnswer) -> Said:
    parts = [part for choice in answer.choices for part in choice.parts]
    calls = ((part.name, _plain(part.arguments)) for part in parts if isinstance(part, ToolCall))
    texts = [part.text for part in parts if isinstance(part, Text | Refusal)]
    return Said("".join(texts), tuple(sorted(calls)))


def _streamed(events: list[ChatEvent]) -> Said:
    texts: dict[int, list[str]] = {}
    names: dict[tuple[int, int], str] = {}
    arguments: dict[tuple[int, int], list[str]] = {}
    for event in events:
        if isinstance(event, Piece | Refused):
            texts.setdefault(event.choice, []).append(event.text)
        elif isinstance(event, Called):
            names[event.choice, event.call] = event.name
        elif isinstance(event, Argued):
            arguments.setdefault((event.choice, event.call), []).append(event.arguments)
    calls = ((name, _plain("".join(arguments.get(at, ())))) for at, name in names.items())
    return Said("".join("".join(texts[at]) for at in sorted(texts)), tuple(sorted(calls)))


def _plain(arguments: str) -> str:
    """Arguments in one spelling, whatever the order of their keys and the spaces between them."""
    try:
        return orjson.dumps(orjson.loads(arguments or "{}"), option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONDecodeError:
        return arguments
