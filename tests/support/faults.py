"""Everything that a provider does wrong, in the words of the dialect that it speaks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from tests.support.chaos import Spoken
from tests.support.provider import CLOSE, END, HALF, RESET, Step, chunk, whole
from tests.support.provider_errors import BODIES, IN_STREAM

# The answer's dialect, whether it is a stream, and what is set when the client has seen its first words.
Play = Callable[[Spoken, bool, asyncio.Event], list[Step]]
UNREACHABLE = "upstream_error"
LATE = "upstream_timeout"
# The status is what the provider's words stand for, which differs.
SAID = 0
JSON_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
# By which Amazon's clients know an error; to others it says nothing.
TYPES = b"x-amzn-errortype: ThrottlingException\r\n"
GARBAGE = b"\xff\xfe<html>\x00 what is this"
NONSENSE = b"data: " + GARBAGE + b"\n\n"
# Long enough for what was sent to be read by itself, mostly.
PAUSE_S = 0.002


@dataclass(frozen=True)
class Fault:
    """One way to fail, and what comes of it.

    Attributes:
        play: What the provider does.
        status: What the client is told; 200 when it has seen a part of the answer before.
        code: What is recorded; empty where nothing is wrong for the client, or where the provider has said it.
        forms: Whether it is asked for a whole answer, a stream, or both.
        spares: Dialects in which it is no fault.
        endless: Nothing but the time for all of it ends it.
    """

    play: Play
    status: int = 502
    code: str = UNREACHABLE
    forms: tuple[bool, ...] = (False, True)
    spares: tuple[str, ...] = ()
    endless: bool = False

    @property
    def speed(self) -> str:
        """Which timers find it out; empty where none is needed."""
        if self.code != LATE:
            return ""
        return "_ending" if self.endless else "_brief"

    @property
    def begun(self) -> bool:
        """Whether the client has seen a part of the answer."""
        return self.status == 200 and bool(self.code)


def never() -> asyncio.Event:
    """Silence."""
    return asyncio.Event()


def _said(*steps: Step) -> Play:
    return lambda spoken, stream, seen: [asyncio.Event() if isinstance(each, asyncio.Event) else each for each in steps]


def _in_body(*steps: Step) -> Play:
    """Half of a whole answer, and then these."""

    def play(spoken: Spoken, stream: bool, seen: asyncio.Event) -> list[Step]:
        answer = whole(spoken.body)
        return [answer[: -len(spoken.body) // 2], *_said(*steps)(spoken, stream, seen)]

    return play


def _in_stream(*steps: Step, half: bool = False) -> Play:
    """The first words, or an event more by half, and then these."""

    def play(spoken: Spoken, stream: bool, seen: asyncio.Event) -> list[Step]:
        more = spoken.next[: len(spoken.next) // 2] if half else b""
        return [spoken.head, chunk(spoken.begun + more), seen, *_said(*steps)(spoken, stream, seen)]

    return play


def _status(status: int, head: bytes = b"") -> Play:
    def play(spoken: Spoken, stream: bool, seen: asyncio.Event) -> list[Step]:
        body = orjson.dumps(BODIES[spoken.dialect](status))
        return [whole(body, f"{status} X", b"content-type: application/json\r\n" + TYPES + head)]

    return play


def _error_event(*, begun: bool) -> Play:
    def play(spoken: Spoken, stream: bool, seen: asyncio.Event) -> list[Step]:
        said: list[Step] = [chunk(spoken.begun), seen] if begun else []
        return [spoken.head, *said, chunk(IN_STREAM[spoken.dialect][1]), END]

    return play


def _sized(more: int) -> Play:
    """A whole answer that says it is longer, or shorter, than it is."""

    def play(spoken: Spoken, stream: bool, seen: asyncio.Event) -> list[Step]:
        return [JSON_HEAD + b"content-length: %d\r\n\r\n%b" % (len(spoken.body) + more, spoken.body), CLOSE]

    return play


def _trickled(spoken: Spoken, stream: bool, seen: asyncio.Event) -> list[Step]:
    answer = b"".join(step for step in spoken.well(stream=stream) if isinstance(step, bytes))
    size = max(1, len(answer) // 60)
    pieces = [answer[at : at + size] for at in range(0, len(answer), size)]
    return [step for piece in pieces for step in (piece, PAUSE_S)]


def _for_ever(begin: Callable[[Spoken], list[Step]], more: bytes) -> Play:
    """Something, then a little more every now and then, without an end."""
    return lambda spoken, stream, seen: [*begin(spoken), *([more, 0.05] * 400)]


FAULTS: dict[str, Fault] = {
    "reset before the head": Fault(_said(RESET)),
    "closed before the head": Fault(_said(CLOSE)),
    "half-closed before the head": Fault(_said(HALF)),
    "reset in the head": Fault(_said(JSON_HEAD[:30], RESET)),
    "half-closed in the head": Fault(_said(JSON_HEAD[:30], HALF)),
    "silence before the head": Fault(_said(never()), 504, LATE),
    "silence in the head": Fault(_said(JSON_HEAD[:30], never()), 504, LATE),
    "a head without end": Fault(_for_ever(lambda _: [JSON_HEAD], b"x"), 504, LATE),
    "no http": Fault(_said(GARBAGE, CLOSE)),
    "status 429": Fault(_status(429), 429),
    "status 429, retry after": Fault(_status(429, b"retry-after: 7\r\n"), 429),
    "status 500": Fault(_status(500), 500),
    "status 503": Fault(_status(503), 503),
    # --- whole answers
    "reset in the body": Fault(_in_body(RESET), forms=(False,)),
    "half-closed in the body": Fault(_in_body(HALF), forms=(False,)),
    "silence in the body": Fault(_in_body(never()), 504, LATE, forms=(False,)),
    "shorter than it says": Fault(_sized(+40), forms=(False,)),
    "longer than it says": Fault(_sized(-40), forms=(False,)),
    "an error with status 200": Fault(
        lambda spoken, stream, seen: [whole(orjson.dumps(BODIES[spoken.dialect](503)))], SAID, forms=(False,)
    ),
    "a page with status 200": Fault(_said(whole(b"<html>welcome</html>", headers=b"content-type: text/html\r\n"))),
    "garbage with status 200": Fault(_said(whole(GARBAGE)), forms=(False,)),
    "nothing with status 200": Fault(_said(whole(b"")), forms=(False,)),
    "a whole answer by drips": Fault(_trickled, 200, "", forms=(False,)),
    # --- streams
    "silence after the head": Fault(lambda spoken, stream, seen: [spoken.head, never()], 504, LATE, forms=(True,)),
    "half-closed after the head": Fault(lambda spoken, stream, seen: [spoken.head, HALF], forms=(True,)),
    "garbage first of all": Fault(lambda spoken, stream, seen: [spoken.head, chunk(NONSENSE), END], forms=(True,)),
    "chunks that are none": Fault(lambda spoken, stream, seen: [spoken.head, b"what\r\n\r\n", CLOSE], forms=(True,)),
    "an error first of all": Fault(_error_event(begun=False), SAID, forms=(True,)),
    "reset after the first words": Fault(_in_stream(RESET), 200, forms=(True,)),
    "closed after the first words": Fault(_in_stream(CLOSE), 200, forms=(True,)),
    "half-closed after the first words": Fault(_in_stream(HALF), 200, forms=(True,)),
    "reset in an event": Fault(_in_stream(RESET, half=True), 200, forms=(True,)),
    "ended in an event": Fault(_in_stream(END, half=True), 200, forms=(True,)),
    "ended after the first words": Fault(_in_stream(END), 200, forms=(True,), spares=("triton",)),
    "silence after the first words": Fault(_in_stream(never()), 200, LATE, forms=(True,)),
    "silence in an event": Fault(_in_stream(never(), half=True), 200, LATE, forms=(True,)),
    "garbage after the first words": Fault(_in_stream(chunk(NONSENSE), END), 200, forms=(True,)),
    "an error after the first words": Fault(_error_event(begun=True), 200, forms=(True,)),
    "a stream by drips": Fault(_trickled, 200, "", forms=(True,)),
    "a stream without end": Fault(
        _for_ever(lambda spoken: [spoken.head, chunk(spoken.begun)], chunk(b": on\n\n")), 200, LATE, forms=(True,),
        spares=("bedrock_converse",), endless=True,
    ),
}  # fmt: skip
