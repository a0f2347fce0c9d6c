from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from gateway.core.errors import InvalidAnswer, StreamBroken, StreamFailed
from gateway.core.usage import Usage
from gateway.wire.anthropic_messages import DIALECT
from gateway.wire.anthropic_messages.events import MESSAGE_STOP, encode, event
from gateway.wire.anthropic_messages.stream import PassReader, block_index, ending, named, plain_deltas
from gateway.wire.block_stream import MAX_EARLY
from gateway.wire.sse import ServerSentEvent
from tests.support.message_streams import (
    PING,
    START,
    MadeUp,
    call,
    client_events,
    last,
    made_up_messages,
    message,
    text,
)
from tests.support.streams import Outcome, cut, cuttings, relay, single_bytes, stream_request

WHOLE = message(text(0, "to be", " or not"), call(1, '{"q":', '"x"}'), reason="tool_use")


def passed(pieces: list[bytes]) -> Outcome:
    return relay(DIALECT, stream_request(DIALECT), None, pieces)


@given(made_up_messages(), cuttings(4_000))
def test_bytes_pass_as_they_came_for_every_cut(stream: MadeUp, marks: list[int]) -> None:
    outcome = passed(cut(stream.data, marks))
    assert outcome.error is None
    assert outcome.client == stream.data
    assert outcome.reader.facts.usage == Usage(10, 7, 5, 42, 0)


def test_facts() -> None:
    for pieces in (WHOLE, single_bytes(b"".join(WHOLE)), [b"".join(WHOLE)]):
        outcome = passed(pieces)
        facts = outcome.reader.facts
        assert (facts.model_served, facts.finish_reason) == ("m-1", "tool_use")
        assert facts.usage == Usage(10, 7, 5, 42, 0)
        assert facts.chunks == len(WHOLE)
        assert outcome.client == b"".join(WHOLE)


def test_the_counts_at_the_end_outdo_those_at_the_beginning() -> None:
    outcome = passed([START, last(input_tokens=11, cache_read_input_tokens=None), MESSAGE_STOP])
    assert outcome.reader.facts.usage == Usage(11, 7, 5, 42, 0)


def test_the_end_waits_for_the_end_of_the_body() -> None:
    reader = PassReader(stream_request(DIALECT))
    assert reader.feed(b"".join(WHOLE)) == b"".join(WHOLE[:-1])
    assert reader.done
    assert reader.feed(START) == b""
    assert reader.finish() == MESSAGE_STOP


def test_a_stream_that_only_lacks_its_last_event_is_whole() -> None:
    assert passed(WHOLE[:-1]).client == b"".join(WHOLE)


@pytest.mark.parametrize("kept", [0, 1, 3, len(WHOLE) - 2])
def test_a_cut_stream_is_broken(kept: int) -> None:
    outcome = passed(WHOLE[:kept])
    assert isinstance(outcome.error, StreamBroken)
    assert MESSAGE_STOP not in outcome.client


def test_an_error_in_the_stream() -> None:
    failed = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    for before in ([], [b": hello\n\n", START, PING], WHOLE[:3]):
        outcome = passed([*before, failed])
        assert isinstance(outcome.error, StreamFailed)
        assert outcome.error.status == 529
        # Before there is content the error can still become a status.
        assert outcome.client == (b"".join(before) if before == WHOLE[:3] else b"")
        with pytest.raises(StreamFailed):
            outcome.reader.finish()


def test_events_without_their_name_get_it() -> None:
    bare = [b"data: " + each.partition(b"data: ")[2] for each in WHOLE]
    assert client_events(passed(bare).client) == client_events(b"".join(WHOLE))


def test_streams_that_end_as_openais_do() -> None:
    outcome = passed([*WHOLE[:-1], b"data: [DONE]\n\n"])
    assert outcome.client == b"".join(WHOLE)
    assert isinstance(passed([START, b"data: [DONE]\n\n"]).error, StreamBroken)


def test_comments_and_signs_of_life_pass() -> None:
    pieces = [b": hello\n\n", START, PING, *WHOLE[1:]]
    assert passed(pieces).client == b"".join(pieces)


@pytest.mark.parametrize(
    "odd",
    [
        b"data: {\n\n",
        encode("message_start", b'{"type":"message_start","message":1}'),
        encode("content_block_start", b'{"type":"content_block_start"}'),
        encode("x", b'{"type":"a\\nb"}'),
    ],
)
def test_what_is_no_event_of_this_dialect(odd: bytes) -> None:
    assert isinstance(passed([odd]).error, InvalidAnswer)


def test_reads_of_nothing_but_deltas() -> None:
    deltas = [each for each in WHOLE if each.startswith(b"event: content_block_delta")]
    assert plain_deltas(deltas[0]) == 1
    assert plain_deltas(b"".join(deltas)) == len(deltas)
    for odd in (START, deltas[0] + PING, deltas[0][:-1], deltas[0] + deltas[1][:20], deltas[0].replace(b"\n", b"\r\n")):
        assert plain_deltas(odd) == 0


def test_kept_is_bounded() -> None:
    piece = text(0, "x" * 50_000)[1]
    reader = PassReader(stream_request(DIALECT))
    reader.feed(START)
    for _ in range(9):
        reader.feed(piece)
    assert sum(map(len, reader.kept)) < 300_000


def test_a_block_has_a_number() -> None:
    assert block_index({"index": 3}) == 3
    with pytest.raises(InvalidAnswer):
        block_index({"index": "3"})


def test_a_name_that_is_there_is_left_alone() -> None:
    parsed = ServerSentEvent(b"{}", b"ping")
    assert named("ping", b"raw", parsed) == b"raw"
    assert named("other", b"raw", parsed) == b"event: other\ndata: {}\n\n"


def test_the_end_of_a_stopped_stream_closes_what_is_open() -> None:
    reader = PassReader(stream_request(DIALECT))
    reader.feed(b"".join([START, *text(0), *call(1)[:1]]))
    shown: list[Any] = client_events(ending(reader))
    assert [each["type"] for each in shown] == ["content_block_stop", "message_delta", "message_stop"]
    assert shown[0]["index"] == 1
    assert client_events(ending(None))[0]["message"]["content"] == []


def test_what_the_first_event_tells_is_not_taken_for_the_usage_of_the_whole() -> None:
    facts = passed(WHOLE[:2]).reader.facts
    assert (facts.usage, facts.begun) == (None, Usage(10, 7, 5, 1, 0))


def test_signs_of_life_before_the_first_words_wait_in_a_small_room() -> None:
    reader = PassReader(stream_request(DIALECT))
    assert reader.feed(START) == b""
    comment = b": alive\n\n"
    told = [reader.feed(each) for each in [PING, comment] * MAX_EARLY]
    at = next(at for at, each in enumerate(told) if each)
    assert at == MAX_EARLY - 2
    assert told[at].startswith(START + PING + comment)
    assert b"".join(told) == START + (PING + comment) * MAX_EARLY
