"""What a kept answer says: its words and its tool calls, whichever dialect it is in and however it came."""

from __future__ import annotations

import msgspec
import orjson

from gateway.core.cached import CachedAnswer
from gateway.core.chat import ChatAnswer, Refusal, Text, ToolCall
from gateway.core.chat_events import Argued, Called, ChatEvent, Refused, Thought
from gateway.core.chat_events import Said as Piece
from gateway.core.codec import ChatCodec
from gateway.core.errors import GatewayError
from gateway.wire.aws_eventstream import MEDIA_TYPE as FRAMES
from gateway.wire.bridge import CODECS, EVENTS, splitter

_FRAMED = "bedrock_converse"


class _Choice(msgspec.Struct):
    index: int = 0
    text: str = ""


class _Completion(msgspec.Struct):
    choices: list[_Choice] = []


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
        return _streamed(_events(codec, body)) if stream else _whole(codec.read_answer(orjson.loads(body)))
    except (GatewayError, orjson.JSONDecodeError):
        return None


def words_in(answer: CachedAnswer) -> str:
    """All that a kept answer says, put together where it came in pieces: words, thoughts, tools and their arguments.

    Each is on a line of its own. Nothing, where it cannot be read: its body is all that there is then.
    """
    codec, body = CODECS.get(answer.dialect), answer.body
    try:
        if codec is None:
            return _of_plain(body) if answer.stream else ""
        if answer.stream:
            return _joined(_events(codec, body))
        parts = [part for choice in codec.read_answer(orjson.loads(body)).choices for part in choice.parts]
    except (GatewayError, orjson.JSONDecodeError, msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    texts = (part.arguments if isinstance(part, ToolCall) else getattr(part, "text", "") for part in parts)
    return "\n".join(texts)


def _events(codec: ChatCodec, body: bytes) -> list[ChatEvent]:
    """Read a stream."""
    cut, reader = splitter(FRAMES if codec.name == _FRAMED else EVENTS), codec.reader()
    events: list[ChatEvent] = []
    for piece in cut.feed(body):
        events += reader.feed(piece)
    if rest := cut.rest():
        events += reader.feed(rest)
    events += reader.finish()
    return events


def _joined(events: list[ChatEvent]) -> str:
    pieces: dict[tuple[str, int, int], list[str]] = {}
    for event in events:
        if isinstance(event, Piece | Refused | Thought):
            pieces.setdefault((type(event).__name__, event.choice, 0), []).append(event.text)
        elif isinstance(event, Called):
            pieces.setdefault(("name", event.choice, event.call), []).append(event.name)
        elif isinstance(event, Argued):
            pieces.setdefault(("arguments", event.choice, event.call), []).append(event.arguments)
    return "\n".join("".join(each) for each in pieces.values())


def _of_plain(body: bytes) -> str:
    """The words of a stream that is no conversation: completions."""
    texts: dict[int, list[str]] = {}
    for piece in splitter(EVENTS).feed(body):
        for line in piece.splitlines():
            data = line.removeprefix(b"data:").strip()
            for choice in msgspec.json.decode(data, type=_Completion).choices if data.startswith(b"{") else ():
                texts.setdefault(choice.index, []).append(choice.text)
    return "\n".join("".join(each) for each in texts.values())


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
