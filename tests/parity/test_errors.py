"""Errors of every kind of provider in every client's dialect: as an answer, and inside a stream."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.core.errors import GatewayError
from gateway.core.exchange import Headers
from gateway.core.ports import AnswerSink
from gateway.wire.bridge import CODECS
from tests.parity.speakers import (
    MODEL,
    SPEAKERS,
    UPSTREAMS,
    asked_with,
    crosses,
    playing,
    spoken_to,
    told_with,
    upstream,
)
from tests.support.provider_errors import BODIES, IN_STREAM, STATUSES, WORDS, words_of
from tests.support.rooms import JSON, Rooms, filed_once_and_in_time, run
from tests.support.sinks import ListReply

HEADERS: Headers = {
    **JSON,
    b"retry-after": b"7",
    b"retry-after-ms": b"6500",
    b"x-should-retry": b"true",
    b"x-ratelimit-remaining-requests": b"0",
}
PAIRS = [(dialect, kind) for dialect in SPEAKERS for kind in UPSTREAMS.values() if crosses(dialect, kind)]
TEXT = "So far so good."
OPENINGS = (b"content_block_start", b"response.output_item.added")


async def refused(dialect: str, kind: str, status: int, body: bytes, *, stream: bool) -> ListReply:
    def say(sink: AnswerSink) -> None:
        sink.on_head(status, dict(HEADERS))
        sink.on_data(body)
        sink.on_end()

    rooms = Rooms(say, aliases={MODEL: upstream(kind)})
    reply = await rooms.serve(SPEAKERS[dialect].ask(asked_with("hi", "user"), stream=stream))
    filed_once_and_in_time(rooms.log)
    assert (rooms.record.status, rooms.record.error_code) == (status, "upstream_error")
    return reply


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("dialect", "kind"), PAIRS)
def test_an_error_answer(dialect: str, kind: str, stream: bool, status: int) -> None:
    async def test() -> None:
        spoken = spoken_to(dialect, kind)
        body = orjson.dumps(BODIES[spoken](status))
        reply = await refused(dialect, kind, status, body, stream=stream)
        assert (reply.status, reply.started) == (status, False)
        assert {name: reply.header(name.decode()) for name in HEADERS} == {
            name: value.decode() for name, value in HEADERS.items()
        }
        if spoken == dialect:
            assert reply.body == body
            return
        document = orjson.loads(reply.body)
        assert words_of(dialect, document) == words_of(dialect, BODIES[dialect](status))
        assert _shape(document) >= _shape(BODIES[dialect](status)), "all that a client of the dialect looks for"

    run(test)


@pytest.mark.parametrize("cut", ["apart", "at once"])
@pytest.mark.parametrize(("dialect", "kind"), PAIRS)
def test_an_error_before_the_first_words_of_a_stream_is_a_status(dialect: str, kind: str, cut: str) -> None:
    async def test() -> None:
        spoken = spoken_to(dialect, kind)
        status, failed = IN_STREAM[spoken]
        began, _, _ = _stream(spoken)
        reply = await _served(dialect, kind, [*began, failed], cut)
        assert (reply.status, reply.started) == (status, False)
        error = _codec(dialect).read_error(status, {}, orjson.loads(reply.body))
        assert (error.status, error.public_message) == (status, WORDS)

    run(test)


@pytest.mark.parametrize("cut", ["apart", "at once"])
@pytest.mark.parametrize(("dialect", "kind"), PAIRS)
def test_an_error_after_the_first_words_ends_the_stream_as_the_dialect_says(dialect: str, kind: str, cut: str) -> None:
    async def test() -> None:
        spoken = spoken_to(dialect, kind)
        _, failed = IN_STREAM[spoken]
        began, words, _ = _stream(spoken)
        reply = await _served(dialect, kind, [*began, *words, failed], cut)
        assert (reply.status, reply.started) == (200, True)
        assert TEXT[:8].encode() in reply.body
        with pytest.raises(GatewayError, match=WORDS):
            _read(dialect, reply.body)

    run(test)


# Triton's streams have no end of their own: what HTTP calls whole is whole.
@pytest.mark.parametrize(("dialect", "kind"), [pair for pair in PAIRS if spoken_to(*pair) != "triton"])
def test_a_stream_that_is_cut_is_never_whole(dialect: str, kind: str) -> None:
    async def test() -> None:
        spoken = spoken_to(dialect, kind)
        began, words, _ = _stream(spoken)
        reply = await _served(dialect, kind, [*began, *words], "apart")
        assert reply.started
        with pytest.raises(GatewayError):
            _read(dialect, reply.body)

    run(test)


async def _served(dialect: str, kind: str, events: list[bytes], cut: str) -> ListReply:
    pieces = events if cut == "apart" else [b"".join(events)]
    rooms = Rooms(playing(pieces, spoken_to(dialect, kind)), aliases={MODEL: upstream(kind)})
    reply = await rooms.serve(SPEAKERS[dialect].ask(asked_with("hi", "user"), stream=True))
    filed_once_and_in_time(rooms.log)
    return reply


def _stream(spoken: str) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """A provider's stream: what comes before the first words, the words, and the rest."""
    events = SPEAKERS[spoken].events(told_with(TEXT, "text"), (8,))
    said = [at for at, event in enumerate(events) if TEXT[:8].encode() in event or TEXT[8:].encode() in event]
    # What opens a block goes with its first words.
    first = next(at for at, event in enumerate(events) if at == said[0] or any(mark in event for mark in OPENINGS))
    return events[:first], events[first : said[1] + 1], events[said[1] + 1 :]


def _codec(dialect: str) -> Any:
    return CODECS.get(dialect) or CODECS["openai_chat"]


def _read(dialect: str, body: bytes) -> None:
    reader = _codec(dialect).reader()
    reader.feed(body)
    reader.finish()


def _shape(document: Any, path: str = "") -> set[str]:
    """The names that a document has, those inside others included."""
    if not isinstance(document, dict):
        return set()
    names = {f"{path}.{name}" for name in document}
    return names.union(*(_shape(value, f"{path}.{name}") for name, value in document.items()))
