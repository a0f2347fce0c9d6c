"""One attempt: hand-written transport, reader and client around it."""

from __future__ import annotations

import asyncio
import gc
import gzip
import itertools
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.call import Call
from gateway.core.errors import Blocked, GatewayError, InvalidAnswer, StreamBroken, StreamFailed
from gateway.core.exchange import Headers, Request
from gateway.core.ports import TextScreen
from gateway.core.record import ExchangeRecord
from gateway.upstream.attempt import MAX_ERROR_BYTES, Attempt
from gateway.wire import openai_chat
from gateway.wire.openai_chat.dialect import OpenAIChat
from gateway.wire.passthrough.stream import PassThroughReader
from tests.support.incoming import incoming
from tests.support.sinks import ListReply
from tests.support.streams import cut

EVENTS: Headers = {b"content-type": b"text/event-stream; charset=utf-8"}
JSON: Headers = {b"content-type": b"application/json"}


Step = bytes | GatewayError | Callable[[], None] | None


class Wire:
    """A transport's handle."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def cancel(self) -> None:
        self.heard.append("cancel")

    def pause(self) -> None:
        self.heard.append("pause")

    def resume(self) -> None:
        self.heard.append("resume")


class Reader(PassThroughReader):
    """Shows every byte in capitals; ``!`` ends the answer, ``?`` breaks it, ``-`` is held back."""

    def feed(self, data: bytes) -> bytes:
        assert not self.done
        if b"?" in data:
            raise StreamFailed("broken")
        self.done = b"!" in data
        return data.replace(b"-", b"").upper()


class Dialect(OpenAIChat):
    """Chat completions with the reader above."""

    def __init__(self) -> None:
        self.asked: list[TextScreen | None] = []

    def stream_reader(self, request: Request, screen: TextScreen | None) -> Reader:
        self.asked.append(screen)
        return Reader()


class Case:
    """An attempt with everything around it, and a clock that ticks whenever it is read."""

    def __init__(self, *, opaque: bool = False) -> None:
        self.reply = ListReply()
        self.wire = Wire()
        request = Request(dialect="openai_chat", operation="chat", route="", upstream_path="")
        self.call = Call(incoming(), self.reply, ExchangeRecord(), Dialect(), request)
        self.attempt = Attempt(self.call, lambda call: b"x: y\r\n", itertools.count(1).__next__, opaque=opaque)
        self.attempt.running = self.wire

    def run(
        self, *steps: bytes | GatewayError | Callable[[], None] | None, status: int = 200, headers: Headers = EVENTS
    ) -> Attempt:
        """Head, pieces, then an end (``None``) or a failure; returns the attempt when its outcome is good."""

        async def main() -> None:
            outcome = asyncio.ensure_future(self.attempt_outcome())
            await asyncio.sleep(0)
            self.attempt.on_head(status, dict(headers))
            for step in steps:
                if callable(step):
                    step()
                elif step is None:
                    self.attempt.on_end()
                elif isinstance(step, bytes):
                    self.attempt.on_data(step)
                else:
                    self.attempt.on_fail(step)
            await asyncio.wait_for(outcome, 20)

        asyncio.run(main())
        return self.attempt

    async def attempt_outcome(self) -> None:
        """As the pipeline waits: whatever the attempt waits for is turned into something that a task can wait for."""
        await waited(self.attempt)


async def waited(attempt: Attempt) -> None:
    work = attempt.__await__()
    while True:
        try:
            signal: Any = work.send(None)
        except StopIteration:
            return
        future = asyncio.get_running_loop().create_future()
        signal.waiter = lambda future=future: future.done() or future.set_result(None)
        try:
            await future
        except asyncio.CancelledError as cancelled:
            work.throw(cancelled)


# --- stream or whole


@pytest.mark.parametrize(
    ("headers", "opaque", "streams"),
    [
        (EVENTS, False, True),
        ({b"content-type": b"text/event-stream"}, True, True),
        (JSON, False, False),
        (JSON, True, False),
        ({b"content-type": b"application/problem+json"}, True, False),
        ({b"content-type": b"audio/mpeg"}, True, True),
        ({b"content-type": b"audio/mpeg"}, False, False),
        ({}, True, True),
        ({}, False, False),
    ],
)
def test_events_are_relayed_json_is_gathered_and_the_rest_only_where_nobody_reads_it(headers, opaque, streams):
    case = Case(opaque=opaque)
    attempt = case.run(b"a", b"b", None, headers=headers)
    assert (attempt.reader is not None) == streams
    assert case.reply.log == (["start", "write", "write"] if streams else [])
    assert (case.reply.body, attempt.body) == ((b"AB", b"") if streams else (b"", b"ab"))


def test_a_whole_answer_is_the_same_object_when_it_came_in_one_piece():
    body = b'{"a":1}'
    assert Case().run(body, None, headers=JSON).body is body


@pytest.mark.parametrize("status", [400, 404, 429, 500, 599])
def test_an_error_answer_is_whole_whatever_its_type(status: int):
    case = Case(opaque=True)
    attempt = case.run(b"no", None, status=status)
    assert (attempt.reader, attempt.body, attempt.status, case.reply.log) == (None, b"no", status, [])


def test_the_screen_of_the_call_goes_to_the_reader():
    case = Case()
    screen: Any = object()
    case.call.screen = screen
    case.run(None)
    assert isinstance(case.call.dialect, Dialect)
    assert case.call.dialect.asked == [screen]


# --- a stream on its way


def test_the_head_goes_out_with_the_first_bytes_that_the_client_may_see():
    case = Case()
    attempt = case.run(b"-", b"-", b"a", b"-", b"b", None)
    assert case.reply.log == ["start", "write", "write"]
    assert (case.reply.status, case.reply.headers, case.reply.body) == (200, b"x: y\r\n", b"AB")
    assert attempt.out_bytes == 2
    assert 0 < attempt.sent_ns < attempt.answered_ns < attempt.first_ns < attempt.ended_ns


def test_a_stream_in_another_form_is_announced_as_what_the_client_is_given():
    case = Case()
    assert case.call.request is not None
    case.call.request.stream_type = b"application/json"
    assert case.run(b"a", None).headers[b"content-type"] == b"application/json"
    assert Case().run(b"a", None).headers[b"content-type"] == EVENTS[b"content-type"]


def test_a_stream_that_says_nothing_starts_nothing():
    case = Case()
    attempt = case.run(None)
    assert case.reply.log == []
    assert (attempt.first_ns, attempt.out_bytes) == (0, 0)
    assert attempt.ended_ns


def test_the_readers_own_end_ends_the_attempt_and_what_follows_is_not_heard():
    case = Case()
    attempt = case.run(b"a!", b"more?", None, StreamBroken("late"))
    assert case.reply.body == b"A!"
    assert attempt.ended_ns
    assert case.wire.heard == [], "the transport keeps its connection: it sees the end for itself"


def test_a_slow_client_pauses_the_transport():
    case = Case()
    case.run(b"a", lambda: flow(case, 0), lambda: flow(case, 1), b"b", None)
    assert case.wire.heard == ["pause", "resume"]


def test_a_paused_transport_is_resumed_when_the_answer_is_over():
    case = Case()
    case.run(b"a", lambda: flow(case, 0), b"!")
    assert case.wire.heard == ["pause", "resume"]
    flow(case, 1)
    assert case.wire.heard == ["pause", "resume"], "what is over is left alone"


def flow(case: Case, which: int) -> None:
    assert case.reply.flow is not None
    case.reply.flow[which]()


def test_an_event_that_breaks_the_stream_stops_the_transport():
    case = Case()
    with pytest.raises(StreamFailed):
        case.run(b"a", b"?", b"b", None)
    assert (case.reply.body, case.wire.heard) == (b"A", ["cancel"])


def test_the_transports_own_failure_is_the_outcome_and_nothing_is_cancelled():
    case = Case()
    error = StreamBroken("gone")
    with pytest.raises(StreamBroken) as raised:
        case.run(b"a", error)
    assert raised.value is error
    assert case.wire.heard == []


def test_only_the_first_end_counts():
    with pytest.raises(StreamBroken, match="first"):
        Case().run(StreamBroken("first"), StreamBroken("second"), None)
    assert Case().run(b"{}", None, StreamBroken("late"), headers=JSON).body == b"{}"


# --- cancellation


def test_a_caller_that_is_cancelled_cancels_the_transport():
    case = Case()

    async def main() -> None:
        outcome = asyncio.ensure_future(waited(case.attempt))
        await asyncio.sleep(0)
        case.attempt.on_head(200, dict(EVENTS))
        case.attempt.on_data(b"a")
        outcome.cancel()
        with pytest.raises(asyncio.CancelledError):
            await outcome

    asyncio.run(main())
    assert case.wire.heard == ["cancel"]


def test_nothing_reaches_the_client_after_a_cancellation_even_from_a_transport_that_goes_on():
    case = Case()

    async def main() -> None:
        outcome = asyncio.ensure_future(waited(case.attempt))
        await asyncio.sleep(0)
        case.attempt.on_head(200, dict(EVENTS))
        case.attempt.on_data(b"a")
        outcome.cancel()
        await asyncio.wait([outcome])
        case.attempt.on_data(b"b")
        case.attempt.on_end()

    asyncio.run(main())
    assert case.reply.body == b"A"


def test_an_answer_that_was_there_before_anyone_waited_is_not_lost():
    case = Case()
    case.attempt.on_head(200, dict(JSON))
    case.attempt.on_data(b"{}")
    case.attempt.on_end()
    asyncio.run(case.attempt_outcome())
    assert case.attempt.body == b"{}"
    failed = Case()
    failed.attempt.on_fail(StreamBroken("early"))
    with pytest.raises(StreamBroken):
        asyncio.run(failed.attempt_outcome())


def test_a_finished_exchange_leaves_no_ring_for_the_collector():
    gc.collect()
    gc.disable()
    try:
        case = Case()
        case.call.attempt = case.run(b"a!", None)
        watched = weakref.ref(case.reply)
        del case
        assert watched() is None
    finally:
        gc.enable()


# --- content codings and bounds


def packed(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


@given(st.lists(st.integers(0, 60), max_size=6))
def test_a_gzipped_answer_is_decoded_however_it_is_cut(marks: list[int]):
    headers = {**JSON, b"content-encoding": b"gzip"}
    attempt = Case().run(*cut(packed(b'{"answer":"yes"}'), marks), None, headers=headers)
    assert attempt.body == b'{"answer":"yes"}'
    assert b"content-encoding" not in attempt.headers


def test_a_gzipped_stream_is_relayed_decoded():
    case = Case()
    case.run(*cut(packed(b"abc"), range(40)), None, headers={**EVENTS, b"content-encoding": b"gzip"})
    assert case.reply.body == b"ABC"


@pytest.mark.parametrize("headers", [JSON, EVENTS], ids=["whole", "stream"])
def test_a_gzipped_answer_that_is_cut_short_is_not_whole(headers: Headers):
    case = Case()
    with pytest.raises(InvalidAnswer):
        case.run(packed(b"abc" * 100)[:-9], None, headers={**headers, b"content-encoding": b"gzip"})
    assert case.attempt.ended_ns


@pytest.mark.parametrize(("coding", "data"), [(b"gzip", b"not gzip"), (b"br", b""), (b"gzip, br", b"")])
def test_a_coding_that_cannot_be_read_is_an_invalid_answer_and_stops_the_transport(coding: bytes, data: bytes):
    case = Case()
    with pytest.raises(InvalidAnswer):
        case.run(data, None, headers={**JSON, b"content-encoding": coding})
    assert case.wire.heard == ["cancel"]


def test_an_error_answer_that_goes_on_and_on_is_cut():
    case = Case()
    with pytest.raises(InvalidAnswer):
        case.run(*[b"x" * 65_536] * 17, status=500, headers=JSON)
    assert case.wire.heard == ["cancel"]
    assert len(Case().run(b"x" * MAX_ERROR_BYTES, None, status=500, headers=JSON).body) == MAX_ERROR_BYTES


def test_a_small_body_that_unpacks_to_a_huge_one_is_cut():
    case = Case()
    bomb = packed(packed(bytes(200 << 20)))
    with pytest.raises(InvalidAnswer):
        case.run(gzip.decompress(bomb), None, headers={**JSON, b"content-encoding": b"gzip"})
    assert case.wire.heard == ["cancel"]


# --- the real reader


def test_a_block_keeps_what_was_released_before_it():
    class Screen:
        def feed(self, channel: Any, text: str) -> str:
            if "bad" in text:
                raise Blocked("no-bad")
            return text

        def finish(self, channel: Any) -> str:
            return ""

    case = Case()
    case.call.dialect, screen = openai_chat.DIALECT, Screen()
    any_screen: Any = screen
    case.call.screen = any_screen
    chunk = b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":null}]}\n\n'
    with pytest.raises(Blocked) as blocked:
        case.run(chunk % b"good", chunk % b"fine" + chunk % b"bad", None)
    assert b"good" in case.reply.body
    assert b"fine" in blocked.value.released
    assert b"bad" not in case.reply.body + blocked.value.released
