"""Golden files of translation: where they lie, what they hold, and how they are compared or written anew."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import orjson

from gateway.core.chat import ChatRequest, Sampling, Text, Turn
from gateway.core.codec import WireRequest
from gateway.core.errors import GatewayError, StreamFailed, UnsupportedField
from gateway.core.losses import Losses
from gateway.core.ports import Dialect
from gateway.wire.aws_eventstream import MEDIA_TYPE, FrameSplitter, decode, encode
from gateway.wire.bridge import CODECS, EVENTS, Bridge, Crossing, Spare
from tests.support.streams import GOLDEN

WRITES = os.environ.get("WEIGHBRIDGE_GOLDEN") == "write"
SUFFIX = {"requests": ".json", "answers": ".json", "streams": ".sse", "errors": ".json"}
# Dialects whose streams are frames and no text.
FRAMED = frozenset({"bedrock_converse"})
SPARE = Spare("exchange-1", 1_700_000_000)
HELLO = (Turn(role="user", parts=(Text(text="Hello."),)),)


def cases(dialect: str, folder: str) -> list[Path]:
    """The inputs of a folder: files whose names have one dot."""
    return sorted(path for path in (GOLDEN / dialect / folder).glob("*" + SUFFIX[folder]) if path.name.count(".") == 1)


def dialect_of(name: str) -> Dialect:
    """The native side of a dialect; its folder has its name."""
    dialect: Dialect = importlib.import_module(f"gateway.wire.{name}").DIALECT
    assert dialect.name == name
    return dialect


def told_request(source: str, case: Path, target: str) -> Any:
    """A client's request as it goes to a provider of another dialect."""
    held = orjson.loads(case.read_bytes())
    # A request that is more than its document says so.
    document, path = (held["document"], held["path"]) if held.keys() == {"path", "document"} else (held, "")
    try:
        chat = CODECS[source].read_request(document, path)
        losses = Losses(chat.names, target, "drop")
        wire = CODECS[target].write_request(chat, "served-model", losses)
    except GatewayError as error:
        return {"error": _told(error)}
    told = {"path": wire.path, "document": wire.document, "dropped": list(losses.fields)}
    if wire.headers:
        told["headers"] = {name.decode(): value.decode() for name, value in wire.headers.items()}
    try:
        CODECS[target].write_request(chat, "served-model", Losses(chat.names, target, "reject"))
    except UnsupportedField as refused:
        told["refused"] = _told(refused)
    return told


def told_answer(source: str, case: Path, target: str) -> Any:
    """A provider's whole answer as a client of another dialect gets it."""
    try:
        return orjson.loads(crossing(source, target).answer(case.read_bytes()))
    except GatewayError as error:
        return {"error": _told(error)}


def told_stream(source: str, case: Path, target: str, pieces: list[bytes] | None = None) -> bytes:
    """A provider's stream as a client of another dialect gets it, an error at its end included."""
    stream = crossing(source, target, stream=True).stream(MEDIA_TYPE if source in FRAMED else EVENTS)
    told: list[bytes] = []
    try:
        told += [stream.feed(piece) for piece in pieces or [spoken(source, case)]]
        told.append(stream.finish())
    except GatewayError as error:
        told.append(error.released)
        if stream.opened:
            told.append(dialect_of(target).stream_error(error, SPARE.id))
        else:
            status = error.status if isinstance(error, StreamFailed) else 502
            told.append(b"status %d\n%b\n" % (status, dialect_of(target).error_body(error, SPARE.id)))
    return b"".join(told)


def spoken(source: str, case: Path) -> bytes:
    """A provider's stream as bytes: frames are written down as lines, each with its headers and its payload."""
    if source not in FRAMED:
        return case.read_bytes()
    frames: list[bytes] = []
    for line in case.read_text().splitlines():
        kind, name, payload = line.split(" ", 2)
        headers = {
            ":exception-type" if kind == "exception" else ":event-type": name,
            ":message-type": kind.replace("cut", "event"),
        }
        whole = encode(headers, payload.encode())
        frames.append(whole[:20] if kind == "cut" else whole)
    return b"".join(frames)


def shown(told: bytes, target: str) -> bytes:
    """A stream as it is written down."""
    if target not in FRAMED or told.startswith(b"status "):
        return told
    lines: list[str] = []
    for raw in FrameSplitter().feed(told):
        frame = decode(raw)
        kind = frame.text(":message-type")
        name = frame.text(":exception-type" if kind == "exception" else ":event-type")
        lines.append(f"{kind} {name} {frame.payload.decode()}\n")
    return "".join(lines).encode()


def told_error(source: str, case: Path, target: str) -> Any:
    """A provider's error answer as a client of another dialect gets it."""
    held = orjson.loads(case.read_bytes())
    headers = {name.encode(): value.encode() for name, value in held["headers"].items()}
    body = held["body"].encode() if isinstance(held["body"], str) else orjson.dumps(held["body"])
    error = crossing(source, target).error(held["status"], headers, body)
    told = {"status": error.status, "body": orjson.loads(dialect_of(target).error_body(error, SPARE.id))}
    return told if error.retry_after_s is None else {**told, "retry_after_s": error.retry_after_s}


def crossing(source: str, target: str, *, stream: bool = False) -> Crossing:
    """A call of a client that speaks ``target`` to a provider that speaks ``source``."""
    asked = ChatRequest(
        dialect=target, model="asked-model", turns=HELLO, stream=stream, sampling=Sampling(max_tokens=64)
    )
    wire = WireRequest(path="/", document={})
    return Crossing(Bridge(CODECS[target], CODECS[source]), asked, wire, (), SPARE)


def expected(case: Path, target: str) -> Path:
    """The file that holds what a case becomes."""
    return case.with_name(f"{case.stem}.{target}{case.suffix}")


def check(case: Path, target: str, told: Any) -> None:
    """Compare with what is written down, or write it down."""
    data = shown(told, target) if isinstance(told, bytes) else orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n"
    file = expected(case, target)
    if WRITES:
        file.write_bytes(data)
    assert file.is_file(), f"{file.name} is missing: run the test once with WEIGHBRIDGE_GOLDEN=write"
    assert data.decode().split("\n") == file.read_text().split("\n")


def _told(error: GatewayError) -> dict[str, Any]:
    return {"class": type(error).__name__, "message": error.public_message, "param": error.param}
