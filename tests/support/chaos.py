"""A client of any dialect that shows what it was told, byte for byte, and what a provider at fault does in each.

The request names what is to go wrong, so that calls of all kinds can be on their way at once.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from gateway.core.chat import Text
from gateway.core.exchange import Incoming
from gateway.wire.aws_eventstream import FrameSplitter
from tests.parity.speakers import MEDIA, SPEAKERS, asked_with, told_with
from tests.support.provider import END, EVENTS, Asked, Step, chunk, whole
from tests.support.raw_client import Raw, head

DIALECTS = ("openai_chat", "openai_responses", "anthropic_messages", "gemini", "bedrock_converse", "triton")
WORDS = "one two three four five"
# What a client has seen of it when the provider fails in the middle.
BEGUN = "one two "
_SIZES = (8, 8, 8)
_FAULT = re.compile(rb"fault: ([a-z0-9 ,-]+); ([a-z_]+) (whole|stream)\.")
_ENDINGS = {
    "/chat/completions": "openai_chat",
    "/responses": "openai_responses",
    "/messages": "anthropic_messages",
    "enerateContent": "gemini",
    "/converse": "bedrock_converse",
    "/generate": "triton",
}


def asking(dialect: str, model: str, fault: str, *, stream: bool) -> Incoming:
    """A client's request that names what is to go wrong."""
    text = f"fault: {fault}; {model} {'stream' if stream else 'whole'}."
    asked = SPEAKERS[dialect].ask(asked_with(text, "user"), stream=stream)
    body = asked.body.replace(b'"model":"f"', b'"model":"%b"' % model.encode())
    return Incoming("POST", asked.path.replace("/f", f"/{model}"), asked.query, asked.headers, body, "", 0)


def wanted(asked: Asked) -> tuple[str, str, str]:
    """What a request wants to go wrong, the model that its client asked, and the form of the answer."""
    found = _FAULT.search(asked.body)
    assert found is not None, asked.body
    return found[1].decode(), found[2].decode(), found[3].decode()


def spoken_by(asked: Asked) -> Spoken:
    """The dialect in which a provider is asked."""
    return Spoken(next(dialect for ending, dialect in _ENDINGS.items() if ending in asked.path))


async def told(port: int, asked: Incoming, seen: Callable[[], None], timeout_s: float = 60.0, tags: str = "") -> Raw:
    """Send a request on a connection of its own, and read to its end; says when its first words are there."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    target = f"{asked.path}?{asked.query}" if asked.query else asked.path
    lines = f"POST {target} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\nconnection: close\r\n"
    lines += f"x-weighbridge-tags: {tags}\r\n" if tags else ""
    rest, waits = b"", True
    try:
        async with asyncio.timeout(timeout_s):
            writer.write(lines.encode() + b"content-length: %d\r\n\r\n%b" % (len(asked.body), asked.body))
            status, headers = await head(reader)
            while data := await reader.read(65_536):
                rest += data
                if waits and BEGUN.encode() in rest:
                    waits = False
                    seen()
    finally:
        writer.close()
    if headers.get("transfer-encoding") != "chunked":
        return Raw(status, headers, rest, len(rest) == int(headers["content-length"]))
    return Raw(status, headers, *_unchunked(rest))


def _unchunked(rest: bytes) -> tuple[bytes, bool]:
    pieces: list[bytes] = []
    while rest and not rest.startswith(b"0\r\n"):
        size, _, rest = rest.partition(b"\r\n")
        pieces.append(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]
    return b"".join(pieces), rest == b"0\r\n\r\n"


# --- what clients go by


def says_all(dialect: str, answer: Raw, *, stream: bool) -> bool:
    """Whether an answer is whole and sound to a client of a dialect."""
    if answer.status != 200 or not answer.whole or (stream and ends_in_error(dialect, answer)):
        return False
    speaker = SPEAKERS[dialect]
    read = speaker.read_stream(answer.body) if stream else speaker.read(answer.body)
    said = "".join(part.text for choice in read.choices for part in choice.parts if isinstance(part, Text))
    return said == WORDS and (dialect == "triton" or read.choices[0].finish == "stop")


def is_error(dialect: str, answer: Raw) -> bool:
    """Whether an answer is an error in the shape that a client of a dialect knows."""
    if answer.status < 400 or not answer.whole or not answer.headers["content-type"].startswith("application/json"):
        return False
    match dialect, orjson.loads(answer.body):
        case "openai_chat" | "openai_responses", {"error": {"message": str(), "type": str(), "code": _}}:
            return True
        case "anthropic_messages", {"type": "error", "error": {"type": str(), "message": str()}}:
            return True
        case "gemini", {"error": {"code": int(code), "message": str(), "status": str()}}:
            return code == answer.status
        case "bedrock_converse", {"message": str()}:
            return "x-amzn-errortype" in answer.headers
        case "triton", {"error": str()}:
            return True
        case _:
            return False


def ends_in_error(dialect: str, answer: Raw) -> bool:
    """Whether the last event of a stream is the one by which its dialect says that it failed."""
    if dialect == "bedrock_converse":
        splitter = FrameSplitter()
        frames = list(splitter.feed(answer.body))
        return bool(frames) and not splitter.rest() and b":exception-type" in frames[-1]
    last = answer.body.replace(b"\r\n", b"\n").rstrip(b"\n").rpartition(b"\n\n")[2]
    data = next((line[6:] for line in last.split(b"\n") if line.startswith(b"data: ")), b"{}")
    match dialect, None if data == b"[DONE]" else orjson.loads(data):
        case "openai_responses", {"type": "error"} | {"type": "response.failed"}:
            return True
        case "anthropic_messages", {"type": "error", "error": {"type": str(), "message": str()}}:
            return True
        case "openai_chat" | "gemini", {"error": {"message": str()}}:
            return True
        case "triton", {"error": str()}:
            return True
        case _:
            return False


def begins(answer: Raw) -> bool:
    """Whether a stream has what the provider said before it failed."""
    return BEGUN.encode() in answer.body


# --- what a provider that speaks a dialect sends


@dataclass(frozen=True)
class Spoken:
    """One dialect's answers, whole and cut."""

    dialect: str

    @property
    def head(self) -> bytes:
        """Of a stream."""
        media = MEDIA.get(self.dialect)
        return EVENTS if media is None else EVENTS.replace(b"text/event-stream", media)

    @property
    def body(self) -> bytes:
        """A whole answer."""
        return SPEAKERS[self.dialect].answer(told_with(WORDS, "text"))

    @property
    def events(self) -> list[bytes]:
        """A stream's, its text in three pieces."""
        return SPEAKERS[self.dialect].events(told_with(WORDS, "text"), _SIZES)

    @property
    def begun(self) -> bytes:
        """Events up to the first piece of the text."""
        events = self.events
        at = next(n for n, each in enumerate(events) if BEGUN.encode() in each)
        return b"".join(events[: at + 1])

    @property
    def next(self) -> bytes:
        """The event after those."""
        events = self.events
        return next(each for n, each in enumerate(events) if n and BEGUN.encode() in events[n - 1])

    def well(self, *, stream: bool) -> list[Step]:
        """Nothing goes wrong."""
        return [self.head, *(chunk(each) for each in self.events), END] if stream else [whole(self.body)]
