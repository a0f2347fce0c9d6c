from __future__ import annotations

import pytest
from hypothesis import given

from gateway.core.errors import InvalidAnswer, StreamBroken, StreamFailed
from gateway.core.usage import Usage
from gateway.wire.aws_eventstream import encode
from gateway.wire.bedrock_converse import DIALECT
from gateway.wire.bedrock_converse.stream import PassReader, ending
from gateway.wire.block_stream import KEPT_BYTES, MAX_BLOCKS, MAX_EARLY
from tests.support.bedrock_script import START, call, delta, frame, message, stop, text, thrown
from tests.support.bedrock_streams import MadeUp, client_events, made_up
from tests.support.streams import Outcome, cut, cuttings, relay, single_bytes, stream_request

WHOLE = message(text(0, "to be", " or not"), call(1, '{"q":', '"x"}'), reason="tool_use")


def passed(pieces: list[bytes]) -> Outcome:
    return relay(DIALECT, stream_request(DIALECT), None, pieces)


@given(made_up(), cuttings(4_000))
def test_bytes_pass_as_they_came_for_every_cut(stream: MadeUp, marks: list[int]) -> None:
    outcome = passed(cut(stream.data, marks))
    assert outcome.error is None
    assert outcome.client == stream.data
    assert outcome.reader.facts.usage == Usage(100, 600, 300, 200)


def test_facts() -> None:
    for pieces in (WHOLE, single_bytes(b"".join(WHOLE)), [b"".join(WHOLE)]):
        outcome = passed(pieces)
        facts = outcome.reader.facts
        assert (facts.finish_reason, facts.chunks) == ("tool_use", len(WHOLE))
        assert outcome.client == b"".join(WHOLE)


def test_the_end_waits_for_the_end_of_the_body() -> None:
    reader = PassReader(stream_request(DIALECT))
    assert reader.feed(b"".join(WHOLE)) == b"".join(WHOLE[:-2])
    assert reader.done
    assert reader.feed(START) == b""
    assert reader.finish() == b"".join(WHOLE[-2:])


def test_a_stream_without_metadata_is_whole_and_says_nothing_of_its_cost() -> None:
    outcome = passed(WHOLE[:-1])
    assert outcome.client == b"".join(WHOLE[:-1])
    assert outcome.reader.facts.usage is None


def test_a_router_says_which_model_it_chose() -> None:
    told = frame("metadata", {"trace": {"promptRouter": {"invokedModelId": "m-1"}}})
    assert passed([*WHOLE[:-1], told]).reader.facts.model_served == "m-1"


@pytest.mark.parametrize("kept", [0, 1, 3, len(WHOLE) - 2])
def test_a_cut_stream_is_broken(kept: int) -> None:
    outcome = passed(WHOLE[:kept])
    assert isinstance(outcome.error, StreamBroken)
    assert all(name != "messageStop" for name, _ in client_events(outcome.client))
    assert isinstance(passed([*WHOLE[:-1], WHOLE[-1][:9]]).error, StreamBroken)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("throttlingException", 429),
        ("modelStreamErrorException", 424),
        ("serviceUnavailableException", 503),
        ("x", 502),
    ],
)
def test_an_exception_in_the_stream(kind: str, status: int) -> None:
    for before in ([], [START], WHOLE[:3]):
        for pieces in ([*before, thrown(kind, "No.")], [b"".join([*before, thrown(kind, "No.")])]):
            outcome = passed(pieces)
            assert isinstance(outcome.error, StreamFailed)
            assert (outcome.error.status, outcome.error.public_message) == (status, "No.")
            # Before there is content the error can still become a status.
            assert outcome.client == (b"".join(before) if len(before) == 3 else b"")
            with pytest.raises(StreamFailed):
                outcome.reader.finish()


def test_an_error_of_the_framing_itself() -> None:
    headers = {":message-type": "error", ":error-code": "InternalServerException", ":error-message": "Oh."}
    error = passed([encode(headers, b"")]).error
    assert isinstance(error, StreamFailed)
    assert (error.status, error.public_message) == (500, "Oh.")


@pytest.mark.parametrize(
    "odd",
    [
        encode({":message-type": "event", ":event-type": "messageStart"}, b"[]"),
        encode({":message-type": "event", ":event-type": "messageStart"}, b"{"),
        encode({":message-type": "event", ":event-type": "a b"}, b"{}"),
        encode({":message-type": "event"}, b"{}"),
        encode({":event-type": "metadata"}, b"{}"),
        frame("contentBlockStart", {"start": {}}),
        WHOLE[0][:-1] + b"\0",
    ],
)
def test_what_is_no_event_of_this_dialect(odd: bytes) -> None:
    assert isinstance(passed([odd]).error, InvalidAnswer)


def test_a_stopped_stream_ends_what_is_open_and_says_what_it_is() -> None:
    for pieces in ([START, delta(0, {"text": "a"})], [START, *text(0, "a"), *call(1, "{")[:2]]):
        reader = PassReader(stream_request(DIALECT))
        for piece in pieces:
            reader.feed(piece)
        events = client_events(ending(reader))
        assert events[0] == ("contentBlockStop", {"contentBlockIndex": len(pieces) > 2})
        assert events[1:] == [("messageStop", {"stopReason": "guardrail_intervened"})]
    assert [name for name, _ in client_events(ending(PassReader(stream_request(DIALECT))))] == [
        "messageStart",
        "messageStop",
    ]
    done = PassReader(stream_request(DIALECT))
    done.feed(b"".join(WHOLE))
    assert client_events(ending(done))[-1][1]["usage"]["totalTokens"] == 1200


def test_what_came_after_a_moment_can_be_forgotten() -> None:
    reader = PassReader(stream_request(DIALECT))
    reader.feed(START)
    mark = reader.mark()
    reader.feed(b"".join(call(0, "{}")[:1]))
    reader.rewind(mark)
    assert reader.kept == [START]
    assert reader.open_blocks() == []
    assert reader.begun


def test_what_is_kept_and_what_is_open_is_bounded() -> None:
    reader = PassReader(stream_request(DIALECT))
    reader.feed(START)
    reader.feed(delta(0, {"text": "a" * KEPT_BYTES}))
    reader.feed(delta(0, {"text": "b"}))
    assert reader.kept == [START]
    for index in range(MAX_BLOCKS):
        reader.feed(call(index)[0])
    with pytest.raises(InvalidAnswer):
        reader.feed(call(MAX_BLOCKS)[0])
    assert reader.feed(stop(0)) == b""


def test_what_says_nothing_waits_in_a_small_room() -> None:
    reader = PassReader(stream_request(DIALECT))
    told = [reader.feed(START) for _ in range(MAX_EARLY + 1)]
    assert told == [b""] * (MAX_EARLY - 1) + [START * MAX_EARLY, START]
