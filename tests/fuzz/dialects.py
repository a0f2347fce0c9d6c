"""What fuzzing needs of the dialects: one sound request of each, and readers and bridges to feed."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
import orjson

from gateway.core.errors import GatewayError
from gateway.core.exchange import Deployment, Request
from gateway.core.ports import Dialect
from gateway.wire.aws_eventstream import MEDIA_TYPE
from gateway.wire.bridge import CODECS, EVENTS, Bridge, Crossing, between
from tests.support.golden import SPARE, dialect_of
from tests.support.incoming import json_incoming

_TURNS = [{"role": "user", "content": "hello"}]
# Where it is asked, and what with, a stream where it can be one.
_SOUND: dict[str, tuple[str, dict[str, Any]]] = {
    "openai_chat": ("/v1/chat/completions", {"model": "m", "messages": _TURNS, "stream": True}),
    "openai_completions": ("/v1/completions", {"model": "m", "prompt": "hello", "stream": True}),
    "openai_responses": ("/v1/responses", {"model": "m", "input": "hello", "stream": True}),
    "anthropic_messages": ("/v1/messages", {"model": "m", "max_tokens": 9, "messages": _TURNS, "stream": True}),
    "gemini": ("/v1beta/models/m:streamGenerateContent", {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
    "bedrock_converse": ("/model/m/converse-stream", {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}),
    "triton": ("/v2/models/m/generate_stream", {"text_input": "hello", "stream": True}),
}
_DEPLOYMENT = Deployment(
    provider="p", kind="openai", model="served", base_url="", credential=b"", on_unsupported="drop"
)  # fmt: skip


class Known(msgspec.Struct, frozen=True):
    """A dialect, where it is spoken, and a request in it."""

    dialect: Dialect
    path: str
    query: str
    request: Request


def _known(name: str) -> Known:
    path, document = _SOUND[name]
    query = "alt=sse" if name == "gemini" else ""
    dialect = dialect_of(name)
    return Known(dialect, path, query, dialect.parse(json_incoming(path, document, query=query), document))


DIALECTS: dict[str, Known] = {name: _known(name) for name in _SOUND}
NAMES = tuple(DIALECTS)


def asked(data: bytes) -> tuple[str, bytes]:
    """Take the first byte as a dialect, and the rest as what is said in it."""
    return NAMES[data[0] % len(NAMES) if data else 0], data[1:]


def said(name: str, body: bytes) -> bytes:
    """Write what :func:`asked` reads."""
    return bytes([NAMES.index(name)]) + body


def outcome(name: str, pieces: list[bytes]) -> tuple[bytes, str, tuple[str, ...]]:
    """What a client gets of a provider's stream, how it ends, and what was learnt of it."""
    known = DIALECTS[name]
    reader = known.dialect.stream_reader(known.request, None)
    out, fault = b"", ""
    try:
        for piece in pieces:
            if reader.done:
                break
            out += reader.feed(piece)
        out += reader.finish()
    except GatewayError as error:
        out += error.released
        fault = type(error).__name__
    facts = reader.facts
    return out, fault, (str(facts.usage), str(facts.finish_reason))


def crossed(way: Bridge, document: Any, path: str) -> Crossing | None:
    """Write a request for a provider of another dialect; what is written can be sent."""
    try:
        crossing = way.cross(document, path, _DEPLOYMENT, SPARE)
    except GatewayError:
        return None
    orjson.dumps(crossing.wire.document)
    crossing.wire.path.encode("ascii")
    return crossing


def stream_across(name: str, body: bytes) -> None:
    """Turn a provider's stream and its whole answer into those of every client's dialect."""
    if name not in CODECS:
        return
    media = MEDIA_TYPE if name == "bedrock_converse" else EVENTS
    for client, known in DIALECTS.items():
        way = between(client, name)
        crossing = crossed(way, known.request.document, known.path) if way is not None else None
        if crossing is None:
            continue
        with suppress(GatewayError):
            across = crossing.stream(media)
            across.feed(body)
            across.finish()
        with suppress(GatewayError):
            crossing.answer(body)
        crossing.error(500, {}, body)
