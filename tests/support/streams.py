"""Streams for tests: ways to cut them, a screen whose promise is plain to see, and what a client makes of the bytes."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import orjson
from hypothesis import strategies as st

from gateway.core.errors import Blocked, GatewayError
from gateway.core.exchange import Request
from gateway.core.ports import Channel, Dialect, StreamReader, TextScreen

SECRET, MASK = "SECRET", "[X]"
GOLDEN = Path(__file__).parents[1] / "golden"


def redact(text: str) -> str:
    """What the toy screen makes of a whole text."""
    return text.replace(SECRET, MASK)


class ToyScreen:
    """Replaces SECRET and holds back whatever could still become one; optionally blocks on a word."""

    def __init__(self, *, stop_word: str = "") -> None:
        self.held: dict[Channel, str] = {}
        self.given: dict[Channel, str] = defaultdict(str)
        self.released: dict[Channel, str] = defaultdict(str)
        self.ended: set[Channel] = set()
        self.stop_word = stop_word

    def feed(self, channel: Channel, text: str) -> str:
        assert channel not in self.ended, f"{channel} goes on after its end"
        self.given[channel] += text
        if self.stop_word and self.stop_word in self.given[channel]:
            raise Blocked("no-such-word")
        text = redact(self.held.pop(channel, "") + text)
        keep = next(n for n in range(len(SECRET) - 1, -1, -1) if text.endswith(SECRET[:n]))
        if keep:
            self.held[channel] = text[-keep:]
            text = text[:-keep]
        self.released[channel] += text
        return text

    def finish(self, channel: Channel) -> str:
        self.ended.add(channel)
        rest = self.held.pop(channel, "")
        self.released[channel] += rest
        return rest

    def seal(self, channel: Channel) -> None:
        if self.released[channel] != self.given[channel]:
            raise Blocked("sealed")


class OpenScreen:
    """Releases everything at once."""

    def feed(self, channel: Channel, text: str) -> str:
        return text

    def finish(self, channel: Channel) -> str:
        return ""

    def seal(self, channel: Channel) -> None:
        pass


class HoldingScreen(OpenScreen):
    """Releases everything at the end."""

    def __init__(self) -> None:
        self.texts: dict[Channel, str] = defaultdict(str)

    def feed(self, channel: Channel, text: str) -> str:
        self.texts[channel] += text
        return ""

    def finish(self, channel: Channel) -> str:
        return self.texts.pop(channel, "")


def cut(data: bytes, marks: Iterable[int]) -> list[bytes]:
    """Cut bytes at these places."""
    places = [0, *sorted(min(mark, len(data)) for mark in marks), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(places)]


def cuttings(limit: int = 20_000) -> st.SearchStrategy[list[int]]:
    """Places at which to cut."""
    return st.lists(st.integers(0, limit), max_size=24)


def single_bytes(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def stream_request(dialect: Dialect, **fields: Any) -> Request:
    """A request for a stream."""
    named = {"operation": "chat", "route": "", "upstream_path": "", "stream": True, "wants_usage": True, **fields}
    return Request(dialect=dialect.name, **named)


class Outcome(msgspec.Struct):
    """What became of one stream: the client's bytes after every read, and the error it ended with."""

    steps: list[bytes]
    reader: StreamReader
    error: GatewayError | None = None

    @property
    def client(self) -> bytes:
        return b"".join(self.steps)


def relay(dialect: Dialect, request: Request, screen: TextScreen | None, pieces: Iterable[bytes]) -> Outcome:
    """Run a stream through a fresh reader as the gateway does, what an error released included."""
    outcome = Outcome([], dialect.stream_reader(request, screen))
    try:
        for piece in pieces:
            outcome.steps.append(outcome.reader.feed(piece))
            if outcome.reader.done:
                break
        outcome.steps.append(outcome.reader.finish())
    except GatewayError as error:
        outcome.steps.append(error.released)
        outcome.error = error
    return outcome


def client_chunks(data: bytes) -> list[dict[str, Any]]:
    """The chunks a client reads, by the plainest reading of the format there is."""
    chunks: list[dict[str, Any]] = []
    for event in data.replace(b"\r\n", b"\n").split(b"\n\n"):
        text = b"\n".join(line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:"))
        if text and text != b"[DONE]":
            chunks.append(orjson.loads(text))
    return chunks


def client_texts(data: bytes) -> dict[tuple[int, str], str]:
    """What a chat or completions client has read so far, by choice and field."""
    texts: dict[tuple[int, str], str] = defaultdict(str)
    for chunk in client_chunks(data):
        for choice in chunk.get("choices", ()):
            index = choice["index"]
            if choice.get("text"):
                texts[index, "text"] += choice["text"]
            for name, value in (choice.get("delta") or {}).items():
                if name == "tool_calls":
                    for call in value:
                        texts[index, f"name/{call['index']}"] += call["function"].get("name", "")
                        texts[index, f"arguments/{call['index']}"] += call["function"].get("arguments", "")
                elif isinstance(value, str) and name != "role":
                    texts[index, name] += value
    return {place: text for place, text in texts.items() if text}


def golden_cases(folder: str) -> list[Path]:
    return sorted((GOLDEN / folder).glob("*.sse"))


def verdict(outcome: Outcome, transcript: Callable[[list[bytes]], bytes]) -> dict[str, Any]:
    """Everything about an outcome that a golden file holds."""
    error = outcome.error
    return {
        "client": outcome.client.decode().split("\n"),
        "facts": msgspec.to_builtins(outcome.reader.facts),
        "error": error and {"class": type(error).__name__, "status": error.status, "message": error.public_message},
        "transcript": orjson.loads(transcript(outcome.reader.kept)),
    }


def verdicts(dialect: Dialect, case: Path) -> dict[str, Any]:
    """A recorded stream, passed on to a client that did not ask for usage, and screened for one that did."""
    data = case.read_bytes()
    choices = 2 if case.stem == "two_choices" else 1
    plain = stream_request(dialect, wants_usage=False, choices=choices)
    asked = stream_request(dialect, wants_usage=True, choices=choices)
    return {
        "passed": verdict(relay(dialect, plain, None, [data]), dialect.stream_transcript),
        "screened": verdict(relay(dialect, asked, ToyScreen(), [data]), dialect.stream_transcript),
    }
