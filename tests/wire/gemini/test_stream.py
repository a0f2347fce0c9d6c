from __future__ import annotations

import orjson
import pytest
from hypothesis import given

from gateway.core.errors import InvalidAnswer, StreamBroken, StreamFailed
from gateway.core.ports import Dialect
from gateway.wire.gemini import ARRAY, DIALECT
from gateway.wire.gemini.stream import ArrayReader, PassReader, ending
from tests.support.gemini_streams import MODEL, MadeUp, candidate, event, failure, made_up_streams, said
from tests.support.streams import Outcome, ToyScreen, client_chunks, cut, cuttings, relay, single_bytes, stream_request

FAILURE = failure(429, "RESOURCE_EXHAUSTED", "Quota.")


def passed(pieces: list[bytes], dialect: Dialect = DIALECT, choices: int = 1) -> Outcome:
    return relay(dialect, stream_request(DIALECT, choices=choices), None, pieces)


@given(made_up_streams(), cuttings(8_000))
def test_a_stream_that_nobody_looks_at_passes_byte_for_byte(stream: MadeUp, marks: list[int]) -> None:
    outcome = passed(cut(stream.data, marks), choices=2)
    assert outcome.error is None
    assert outcome.client == stream.data
    assert (outcome.reader.facts.finish_reason, outcome.reader.facts.model_served) == ("STOP", MODEL)


def test_usage_of_the_last_event_counts() -> None:
    events = [event(candidate({"text": "a"}), usageMetadata={"promptTokenCount": 5}), *said("b")]
    facts = passed(events).reader.facts
    assert facts.usage is not None
    assert (facts.usage.input_tokens, facts.usage.reasoning_tokens, facts.chunks) == (1000, 120, 2)


def test_more_may_follow_a_finish_reason() -> None:
    events = [*said("a", usage=None), event(usageMetadata={"promptTokenCount": 7})]
    outcome = passed(events)
    assert outcome.error is None
    assert outcome.client == b"".join(events)
    assert outcome.reader.facts.usage is not None


def test_a_cut_stream_is_never_whole() -> None:
    for pieces in ([event(candidate({"text": "a"}))], [], [b": ping\n\n"], [said("a")[0][:-3]]):
        assert isinstance(passed(pieces).error, StreamBroken)
    two = [event(candidate({"text": "a"}, finish="STOP"), candidate({"text": "b"}, index=1))]
    assert isinstance(passed(two).error, StreamBroken)


def test_a_prompt_that_the_provider_would_not_take_is_a_whole_answer() -> None:
    outcome = passed([event(promptFeedback={"blockReason": "SAFETY"})])
    assert outcome.error is None
    assert outcome.reader.facts.finish_reason == "SAFETY"


@pytest.mark.parametrize(
    "bad",
    [
        b"data: " + orjson.dumps(FAILURE) + b"\r\n\r\n",
        orjson.dumps(FAILURE, option=orjson.OPT_INDENT_2) + b"\n\n",
        orjson.dumps(FAILURE),
        b"data: " + orjson.dumps(FAILURE),
        orjson.dumps([FAILURE]),
    ],
    ids=["event", "bare", "bare without end", "event without end", "array"],
)
def test_an_error_in_the_stream_is_one_however_it_is_framed(bad: bytes) -> None:
    first = event(candidate({"text": "a"}))
    for pieces in ([first, bad], single_bytes(first + bad)):
        outcome = passed(pieces)
        assert isinstance(outcome.error, StreamFailed)
        assert (outcome.error.status, outcome.error.public_message) == (429, "Quota.")
        assert outcome.client == first


@pytest.mark.parametrize("odd", [b"data: [1]\n\n", b"data: {\n\n", b"{\n\n", b'{"a":1}\n\n'])
def test_what_is_no_event_of_this_dialect_is_refused(odd: bytes) -> None:
    assert isinstance(passed([odd]).error, InvalidAnswer)


def test_what_failed_stays_failed() -> None:
    reader = PassReader(stream_request(DIALECT))
    with pytest.raises(InvalidAnswer):
        reader.feed(b"data: [1]\n\n")
    assert reader.feed(said("a")[0]) == b""
    with pytest.raises(InvalidAnswer):
        reader.finish()


@given(made_up_streams(), cuttings(8_000))
def test_a_client_that_wants_an_array_gets_the_same_answers_in_one(stream: MadeUp, marks: list[int]) -> None:
    outcome = passed(cut(stream.data, marks), ARRAY, choices=2)
    assert orjson.loads(outcome.client) == client_chunks(stream.data)
    assert outcome.reader.facts == passed([stream.data], choices=2).reader.facts
    assert ARRAY.stream_transcript(outcome.reader.kept) == DIALECT.stream_transcript([stream.data])


def test_an_array_ends_as_json_whatever_happens() -> None:
    first = event(candidate({"text": "a"}))
    cut_off = passed([first], ARRAY)
    assert cut_off.error is not None
    shown = orjson.loads(cut_off.client + ARRAY.stream_error(cut_off.error, "x"))
    assert [next(iter(each)) for each in shown] == ["candidates", "error"]
    bad = passed([first, b"data: " + orjson.dumps(FAILURE) + b"\n\n"], ARRAY)
    assert bad.error is not None
    assert orjson.loads(bad.client + ARRAY.stream_error(bad.error, "x"))[1] == FAILURE
    blocked = relay(ARRAY, stream_request(ARRAY), ToyScreen(stop_word="b"), [first, *said("b")])
    ended = orjson.loads(blocked.client + ARRAY.stream_block(blocked.reader))
    assert ended[-1]["candidates"] == [{"finishReason": "SAFETY", "index": 0}]
    assert orjson.loads(passed([event(promptFeedback={"blockReason": "SAFETY"})], ARRAY).client)
    assert ArrayReader(PassReader(stream_request(ARRAY))).closing() == b"[]"


def test_a_stopped_stream_ends_what_is_open_and_says_what_it_is() -> None:
    reader = PassReader(stream_request(DIALECT, choices=2))
    reader.feed(event(candidate({"text": "a"}, finish="STOP"), usageMetadata={"promptTokenCount": 5}))
    last = client_chunks(ending(reader))[0]
    assert last["candidates"] == [{"finishReason": "SAFETY", "index": 1}]
    assert (last["modelVersion"], last["usageMetadata"]) == (MODEL, {"promptTokenCount": 5})
