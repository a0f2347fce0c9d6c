from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import GatewayError, InvalidAnswer, StreamBroken, StreamFailed
from gateway.core.usage import Usage
from gateway.wire.openai_responses import DIALECT, STORED, next_event
from gateway.wire.openai_responses.stream import KEPT_BYTES, documents_of, named_event, plain_events
from tests.support.response_streams import (
    MadeUp,
    Stream,
    by_three,
    event,
    made_up_streams,
    message,
    response,
    streamed,
)
from tests.support.streams import Outcome, cut, cuttings, relay, single_bytes, stream_request

DATA = streamed(response(message("Hello there, how are you?")), by_three)


def passed(pieces: list[bytes], **fields: Any) -> Outcome:
    return relay(DIALECT, stream_request(DIALECT, **fields), None, pieces)


@given(made_up_streams(), cuttings(6_000))
def test_a_stream_passes_byte_for_byte_however_it_was_cut(made: MadeUp, marks: list[int]) -> None:
    outcome = passed(cut(made.stream, marks))
    assert (outcome.error, outcome.client) == (None, made.stream)


def test_facts_are_those_of_the_last_event() -> None:
    for pieces in ([DATA.data], DATA.events, single_bytes(DATA.data)):
        reader = passed(pieces).reader
        facts = reader.facts
        assert (facts.model_served, facts.finish_reason, facts.chunks) == ("gpt-m-2026", "completed", DATA.number)
        assert facts.usage == Usage(
            input_fresh_tokens=300,
            cache_read_tokens=600,
            cache_write_tokens=100,
            output_text_tokens=180,
            reasoning_tokens=120,
        )


def test_the_last_event_waits_until_the_body_has_ended() -> None:
    reader = DIALECT.stream_reader(stream_request(DIALECT), None)
    assert reader.feed(DATA.data) == b"".join(DATA.events[:-1])
    assert reader.done
    assert reader.finish() == DATA.events[-1]


def test_events_before_the_first_content_wait_for_it() -> None:
    reader = DIALECT.stream_reader(stream_request(DIALECT), None)
    assert [reader.feed(each) for each in DATA.events[:3]] == [b"", b"", b"".join(DATA.events[:3])]


def test_a_comment_does_not_begin_the_answer() -> None:
    reader = DIALECT.stream_reader(stream_request(DIALECT), None)
    assert reader.feed(DATA.events[0] + b": ping\n\n") == b""
    assert reader.feed(DATA.events[2]) == DATA.events[0] + b": ping\n\n" + DATA.events[2]


def test_an_answer_in_the_background_begins_at_once() -> None:
    reader = DIALECT.stream_reader(stream_request(DIALECT, detached=True), None)
    assert reader.feed(DATA.events[0]) == DATA.events[0]


ERRORS = [
    ({"type": "error", "code": "rate_limit_exceeded", "message": "slow", "param": None, "sequence_number": 2}, 429),
    ({"error": {"message": "no", "type": "invalid_request_error", "code": None}}, 400),
    ({"error": {"message": "no", "code": 503}}, 503),
    ({"error": "just words"}, 502),
    ({"type": "error", "error": {"type": "server_error", "message": "oh"}}, 500),
]


@pytest.mark.parametrize(("document", "status"), ERRORS)
def test_an_error_before_content_has_a_status(document: dict[str, Any], status: int) -> None:
    outcome = passed([*DATA.events[:2], b"data: " + orjson.dumps(document) + b"\n\n"])
    assert isinstance(outcome.error, StreamFailed)
    assert (outcome.client, outcome.error.status) == (b"", status)


def test_an_answer_that_failed_before_content_is_an_error() -> None:
    stream = Stream()
    stream.begin(response())
    error = {"code": "server_error", "message": "The model broke."}
    stream.end(response(status="failed", error=error))
    outcome = passed([stream.data])
    assert isinstance(outcome.error, StreamFailed)
    assert (outcome.client, outcome.error.status, outcome.error.public_message) == (b"", 500, "The model broke.")
    assert outcome.reader.facts.usage is not None


def test_an_answer_that_fails_later_ends_as_it_says() -> None:
    stream = Stream()
    stream.begin(response())
    stream.item(0, message("hello"))
    stream.end(response(message("hello"), status="failed", error={"code": "server_error", "message": "x"}))
    outcome = passed(stream.events)
    assert (outcome.error, outcome.client) == (None, stream.data)
    assert outcome.reader.facts.finish_reason == "failed"


def test_an_error_in_the_middle_keeps_what_was_said_and_the_number() -> None:
    outcome = passed([*DATA.events[:6], event({"type": "error", "message": "cut", "code": "server_error"})])
    assert isinstance(outcome.error, StreamFailed)
    assert outcome.client == b"".join(DATA.events[:6])
    assert next_event(outcome.reader) == 6


@pytest.mark.parametrize("missing", [1, 2])
def test_a_stream_without_its_last_event_is_broken(missing: int) -> None:
    outcome = passed(DATA.events[:-missing])
    assert isinstance(outcome.error, StreamBroken)
    assert outcome.client == b"".join(DATA.events[:-missing])


def test_an_end_marker_of_other_servers_is_no_event() -> None:
    outcome = passed([DATA.data + b"data: [DONE]\n\n"])
    assert (outcome.error, outcome.client) == (None, DATA.data)
    outcome = passed([b"".join(DATA.events[:-1]) + b"data: [DONE]\n\n"])
    assert isinstance(outcome.error, StreamBroken)


def test_an_incomplete_answer_says_why() -> None:
    stream = Stream()
    stream.begin(response())
    stream.end(response(status="incomplete", incomplete_details={"reason": "max_output_tokens"}))
    reader = passed([stream.data]).reader
    assert reader.facts.finish_reason == "max_output_tokens"


def test_fetching_a_stored_stream_uses_nothing() -> None:
    outcome = relay(STORED, stream_request(STORED, operation="", detached=True), None, [DATA.data])
    assert (outcome.client, outcome.reader.facts.usage) == (DATA.data, Usage())


def test_a_stored_stream_of_which_all_was_seen_is_empty() -> None:
    outcome = relay(STORED, stream_request(STORED, operation="", detached=True, after=99), None, [])
    assert (outcome.error, outcome.client) == (None, b"")


def test_what_is_kept_is_the_last_event_alone() -> None:
    assert passed(DATA.events).reader.kept == [DATA.events[-1]]
    long = streamed(response(message("x" * KEPT_BYTES)))
    assert sum(map(len, passed(long.events).reader.kept)) <= KEPT_BYTES


def test_reads_of_whole_plain_events_are_counted_and_nothing_else_is() -> None:
    assert plain_events(DATA.events[4] + DATA.events[5]) == 2
    for data in (
        DATA.events[0],
        DATA.events[-1],
        DATA.events[4][:-1],
        b": x\n\n",
        DATA.events[4].replace(b"\n", b"\r\n"),
    ):
        assert plain_events(data) == 0
    said = event({"type": "response.output_text.delta", "delta": '"error" [DONE "response.completed"'})
    assert plain_events(said) == 1


def test_an_event_without_its_answer_is_none() -> None:
    assert isinstance(passed([event({"type": "response.created"})]).error, InvalidAnswer)


def test_documents_are_those_of_whole_events() -> None:
    assert [
        each["type"] for each in documents_of([DATA.events[0], b": x\n\n", b"data: 1\n\n", DATA.events[1][:-2]])
    ] == ["response.created"]
    assert named_event({"type": "a", "b": 1}) == b'event: a\ndata: {"type":"a","b":1}\n\n'


@given(st.lists(st.tuples(st.integers(0, 4_000), st.binary(max_size=6)), max_size=4))
def test_damaged_streams_raise_only_declared_errors(damage: list[tuple[int, bytes]]) -> None:
    data = DATA.data
    for place, junk in damage:
        data = data[:place] + junk + data[place + len(junk) // 2 :]
    outcome = passed([data])
    assert outcome.error is None or isinstance(outcome.error, GatewayError)
