from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import GatewayError, InvalidAnswer, StreamBroken, StreamFailed
from gateway.core.usage import Usage
from gateway.wire.openai_chat import DIALECT
from gateway.wire.openai_stream import (
    DONE,
    KEPT_BYTES,
    PassReader,
    choice_index,
    chunks_of,
    ending,
    envelope_of,
    load_object,
    plain_events,
    write,
    write_event,
)
from tests.support.streams import (
    Outcome,
    client_chunks,
    cut,
    cuttings,
    golden_cases,
    relay,
    single_bytes,
    stream_request,
)

CASES = golden_cases("openai_chat") + golden_cases("openai_completions")
RECORDED = {f"{case.parent.name}/{case.stem}": case.read_bytes() for case in CASES}


def passed(pieces: list[bytes], **fields: Any) -> Outcome:
    return relay(DIALECT, stream_request(DIALECT, **fields), None, pieces)


def outcome_of(outcome: Outcome) -> tuple[Any, ...]:
    error = outcome.error
    return (outcome.client, outcome.reader.facts, outcome.reader.done, type(error), error and error.public_message)


def chunk(text: str = "a", *, index: int = 0, reason: str | None = None, **more: Any) -> bytes:
    choice = {"index": index, "delta": {"content": text}, "finish_reason": reason}
    return write_event({"id": "c", "model": "m", "choices": [choice], **more})


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("wants_usage", [True, False])
@pytest.mark.parametrize("choices", [1, 2])
def test_whole_and_byte_by_byte_come_out_alike(name: str, wants_usage: bool, choices: int) -> None:
    data = RECORDED[name]
    whole = passed([data], wants_usage=wants_usage, choices=choices)
    assert outcome_of(whole) == outcome_of(passed(single_bytes(data), wants_usage=wants_usage, choices=choices))


@given(st.sampled_from(sorted(RECORDED)), cuttings(6_000), st.booleans())
def test_any_cut_comes_out_alike(name: str, marks: list[int], wants_usage: bool) -> None:
    data = RECORDED[name]
    whole = passed([data], wants_usage=wants_usage)
    assert outcome_of(whole) == outcome_of(passed(cut(data, marks), wants_usage=wants_usage))


@pytest.mark.parametrize("name", RECORDED)
def test_events_as_separate_reads_come_out_like_the_whole(name: str) -> None:
    """The quick way, one event a read, and the careful way agree."""
    data = RECORDED[name]
    reads = [event + b"\n\n" for event in data.split(b"\n\n")]
    reads[-1] = reads[-1][:-2]
    for wants_usage in (True, False):
        whole = passed([data], wants_usage=wants_usage)
        assert outcome_of(whole) == outcome_of(passed(reads, wants_usage=wants_usage))


@given(st.sampled_from(sorted(RECORDED)), cuttings(6_000))
def test_bytes_never_leave_before_their_event_is_complete(name: str, marks: list[int]) -> None:
    data = RECORDED[name]
    blank = b"\r\n\r\n" if b"\r\n" in data else b"\n\n"
    reader = PassReader(stream_request(DIALECT))
    fed = sent = b""
    try:
        for piece in cut(data, marks):
            fed += piece
            sent += reader.feed(piece)
            assert fed.startswith(sent)
            assert len(sent) <= fed.rfind(blank) + len(blank) if blank in fed else not sent
    except GatewayError:
        pass


@given(
    st.sampled_from(sorted(RECORDED)),
    st.lists(st.tuples(st.integers(0, 6_000), st.binary(max_size=6)), max_size=4),
    cuttings(6_000),
)
def test_damaged_streams_raise_only_declared_errors(
    name: str, damage: list[tuple[int, bytes]], marks: list[int]
) -> None:
    data = RECORDED[name]
    for place, junk in damage:
        data = data[:place] + junk + data[place + len(junk) // 2 :]
    outcome = passed(cut(data, marks), wants_usage=False)
    DIALECT.stream_transcript(outcome.reader.kept)
    DIALECT.answer_text(None, outcome.reader.kept)


@given(st.lists(st.binary(), max_size=6))
def test_garbage_raises_only_declared_errors(pieces: list[bytes]) -> None:
    assert isinstance(passed(pieces).error, GatewayError) or b"[DONE]" in b"".join(pieces)


def test_usage_chunk_is_for_who_asked() -> None:
    usage = write_event({"id": "c", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}})
    stream = [chunk(), chunk("", reason="stop"), usage, DONE]
    asked, silent = passed(stream), passed(stream, wants_usage=False)
    assert asked.client == b"".join(stream)
    assert silent.client == b"".join((stream[0], stream[1], DONE))
    assert asked.reader.facts.usage == silent.reader.facts.usage == Usage(input_fresh_tokens=3, output_text_tokens=4)
    assert asked.reader.facts.chunks == silent.reader.facts.chunks == 3


def test_null_usage_is_cut_for_who_did_not_ask() -> None:
    stream = [chunk(usage=None), chunk("b", usage=None), chunk("", reason="stop", usage=None), DONE]
    assert passed(stream).client == b"".join(stream)
    bare = [chunk(), chunk("b"), chunk("", reason="stop"), DONE]
    assert passed(stream, wants_usage=False).client == b"".join(bare)
    assert passed([b"".join(stream)], wants_usage=False).client == b"".join(bare)


def test_usage_beside_content_is_cut_and_the_content_passes() -> None:
    stream = [
        chunk(usage={"prompt_tokens": 1, "completion_tokens": 1}),
        chunk("b", reason="stop", usage={"prompt_tokens": 1, "completion_tokens": 2}),
        DONE,
    ]
    outcome = passed(stream, wants_usage=False)
    assert [item["choices"][0]["delta"]["content"] for item in client_chunks(outcome.client)] == ["a", "b"]
    assert not any("usage" in item for item in client_chunks(outcome.client))
    assert outcome.reader.facts.usage == Usage(input_fresh_tokens=1, output_text_tokens=2)


def test_words_of_the_model_that_look_like_protocol_are_only_words() -> None:
    texts = [
        '"error"',
        '"usage":{"prompt_tokens":9}',
        '"finish_reason":"stop"',
        "data: [DONE]\n\n",
        ',"usage":null',
        "\r\n",
    ]
    stream = [
        chunk("x", usage=None),
        *(chunk(text, usage=None) for text in texts),
        chunk("", reason="stop", usage=None),
        DONE,
    ]
    outcome = passed(stream, wants_usage=False)
    assert [item["choices"][0]["delta"]["content"] for item in client_chunks(outcome.client)] == ["x", *texts, ""]
    assert outcome.reader.facts.usage is None


def test_done_waits_for_the_end_and_nothing_follows_it() -> None:
    reader = PassReader(stream_request(DIALECT))
    assert reader.feed(chunk() + DONE + chunk("late")) == chunk()
    assert reader.done
    assert reader.feed(chunk("later")) == b""
    assert reader.finish() == DONE


@pytest.mark.parametrize("end", [b"data: [DONE]", b"data: [DONE]\n", b"data:[DONE]\r\n\r", b"data: [DONE]\r\n"])
def test_end_marker_without_its_empty_line_is_taken(end: bytes) -> None:
    outcome = passed([chunk(), end])
    assert outcome.error is None
    assert outcome.client.startswith(chunk())
    assert b"[DONE]" in outcome.client


def test_stream_whose_choices_all_ended_is_whole_without_the_marker() -> None:
    both = [chunk(index=0), chunk(index=1), chunk("", index=0, reason="stop")]
    assert isinstance(passed(both, choices=2).error, StreamBroken)
    whole = passed([*both, chunk("", index=1, reason="length")], choices=2)
    assert whole.error is None
    assert whole.client.endswith(DONE)
    assert whole.reader.facts.finish_reason == "stop,length"


@pytest.mark.parametrize("pieces", [[], [b""], [b": ping\n\n"], [chunk()], [chunk(), b"data: {"], [chunk()[:-1]]])
def test_cut_stream_is_broken_and_never_ends_as_if_it_were_whole(pieces: list[bytes]) -> None:
    outcome = passed(pieces)
    assert isinstance(outcome.error, StreamBroken)
    assert b"[DONE]" not in outcome.client


def test_what_came_before_an_error_is_released_with_it() -> None:
    reader = PassReader(stream_request(DIALECT))
    with pytest.raises(StreamFailed) as caught:
        reader.feed(chunk() + chunk("b") + b'data: {"error":{"message":"Boom","code":"429"}}\n\n' + chunk("c"))
    assert caught.value.released == chunk() + chunk("b")
    assert (caught.value.public_message, caught.value.status) == ("Boom", 429)
    assert caught.value.detail == b'{"message":"Boom","code":"429"}'
    assert reader.feed(chunk("d")) == b""
    with pytest.raises(StreamFailed) as again:
        reader.finish()
    assert again.value.released == b""


def test_named_error_event_is_a_failure_whatever_it_holds() -> None:
    outcome = passed([chunk(), b'event: error\ndata: {"message":"Down"}\n\n'])
    assert isinstance(outcome.error, StreamFailed)
    assert outcome.error.public_message == "Down"


def test_falsy_error_field_is_no_error() -> None:
    assert passed([chunk(error=None), chunk(error="", reason="stop"), DONE]).error is None


@pytest.mark.parametrize("data", [b"{", b"[1]", b"null", b'"x"', b"nan", b"\xff"])
def test_event_that_is_no_object_is_an_invalid_answer(data: bytes) -> None:
    outcome = passed([b"data: " + data + b"\n\n"])
    assert isinstance(outcome.error, InvalidAnswer)
    with pytest.raises(InvalidAnswer):
        load_object(data)


def test_endless_event_and_endless_choices_are_refused() -> None:
    assert isinstance(passed([b"data: " + b"x" * 1_100_000]).error, InvalidAnswer)
    many = [{"index": index, "delta": {}} for index in range(1_100)]
    assert isinstance(passed([write_event({"choices": many})]).error, InvalidAnswer)


def test_what_is_kept_is_bounded_and_has_no_gap() -> None:
    big = chunk("x" * 60_000)
    outcome = passed([big] * 6 + [chunk("small"), chunk("", reason="stop"), DONE])
    assert outcome.reader.kept == [big] * (KEPT_BYTES // len(big))


def test_first_model_named_is_the_one_that_served() -> None:
    first = write_event({"model": "", "choices": []})
    assert passed([first, chunk(), chunk(model="other", reason="stop"), DONE]).reader.facts.model_served == "m"


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (chunk(), 1),
        (chunk() * 3, 3),
        (chunk(usage=None), 1),
        (b'data: {"finish_reason": null, "usage": null}\n\n', 1),
        (b"", 0),
        (b": ping\n\n", 0),
        (chunk() + b": ping\n\n", 0),
        (chunk()[:-1], 0),
        (chunk() + b"data: {", 0),
        (chunk() + DONE, 0),
        (chunk(reason="stop"), 0),
        (chunk(usage={"prompt_tokens": 1}), 0),
        (b'data: {"error":null}\n\n', 0),
        (b'data: {"usage" :{}}\n\n', 0),
        (b'data: {"a":1}\r\ndata: {"b":1}\n\n', 0),
        (b'data: {"a":1}\r\rdata: {"b":1}\n\n', 0),
        (b'data: {"a":1}\nevent: error\ndata: {"b":1}\n\n', 0),
        (b'data: {"a":1}\nid: {1}\n\n', 0),
    ],
)
def test_only_whole_and_unremarkable_events_are_passed_unread(data: bytes, events: int) -> None:
    assert plain_events(data) == events


def test_choices_that_are_open_are_ended_by_a_block() -> None:
    reader = PassReader(stream_request(DIALECT, choices=3))
    reader.feed(chunk(index=0, system_fingerprint="fp", other=1) + chunk(index=1, reason="stop"))
    assert reader.open_choices() == [0, 2]
    end = ending(reader, {"delta": {}})
    assert [item["choices"] for item in client_chunks(end)] == [
        [{"index": 0, "delta": {}, "finish_reason": "content_filter"}],
        [{"index": 2, "delta": {}, "finish_reason": "content_filter"}],
    ]
    assert all(item["id"] == "c" and item["model"] == "m" for item in client_chunks(end))
    assert end.endswith(DONE)


def test_small_tools() -> None:
    assert choice_index({"index": 2}) == 2
    assert choice_index({"index": "2"}) == choice_index({}) == 0
    assert envelope_of({"id": 1, "choices": [], "model": "m", "x": 2}) == {"id": 1, "model": "m"}
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    with pytest.raises(InvalidAnswer):
        write(deep)
    kept = [chunk("a") + b": c\n\n" + b"data: junk\n\n" + DONE, chunk("b")[:10]]
    assert list(chunks_of(kept)) == [orjson.loads(chunk("a")[6:])]
    assert list(chunks_of([b"x" * 2_000_000])) == []
