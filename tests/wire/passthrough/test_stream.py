from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.exchange import AnswerFacts
from gateway.core.usage import Usage
from gateway.wire.passthrough.stream import KEPT_BYTES, PassThroughReader, spoken_in, transcript

GOLDEN = Path(__file__).parents[2] / "golden" / "passthrough"
RESPONSES = (GOLDEN / "responses.sse").read_bytes()
SPEECH = "Weigh it: AKIAIOSFODNN7EXAMPLE"


def read(data: bytes, sizes: list[int]) -> tuple[bytes, PassThroughReader]:
    reader = PassThroughReader()
    out = b""
    for size in sizes:
        out += reader.feed(data[:size])
        data = data[size:]
    out += reader.feed(data)
    return out + reader.finish(), reader


def test_a_responses_stream_is_passed_on_and_read_on_the_side() -> None:
    out, reader = read(RESPONSES, [])
    assert out == RESPONSES
    assert reader.facts == AnswerFacts(
        model_served="gpt-4o-mini-2024-07-18",
        finish_reason="completed",
        usage=Usage(input_fresh_tokens=32, cache_read_tokens=4, output_text_tokens=80, reasoning_tokens=7),
        chunks=12,
    )
    assert not reader.done


def test_every_read_is_passed_on_at_once() -> None:
    reader = PassThroughReader()
    for at in range(0, len(RESPONSES), 7):
        assert reader.feed(RESPONSES[at : at + 7]) == RESPONSES[at : at + 7]
    assert reader.finish() == b""
    assert reader.facts.chunks == 12


STREAMS = [
    RESPONSES,
    RESPONSES.replace(b"\n", b"\r\n"),
    b"\xef\xbb\xbf\n\n" + RESPONSES,
    b": hello\n\nid: 1\n\n" + RESPONSES + b"data: [DONE]\n\n",
    b'data: {"error":{"message":"overloaded"}}\n\n',
    b'data: {"choices":[],"usage" : {"prompt_tokens":1,"completion_tokens":2}}',
    b'data: not json "usage": {\n\ndata: {}\n\n',
    b"\x00\x01ID3\xff\n\ndata: not an event\n\n" * 5,
    b'{"whole":"document","usage":{"prompt_tokens":1}}',
    b"dat",
    b"",
]


@given(st.sampled_from(STREAMS) | st.binary(max_size=60), st.lists(st.integers(0, 30), max_size=60))
def test_any_cut_gives_the_same_bytes_and_the_same_facts(data: bytes, sizes: list[int]) -> None:
    whole, once = read(data, [])
    cut, pieces = read(data, sizes)
    assert whole == cut == data
    assert once.facts == pieces.facts
    assert b"".join(once.kept) == b"".join(pieces.kept)


def test_byte_by_byte_gives_the_same_facts() -> None:
    for data in STREAMS:
        assert read(data, [1] * len(data))[1].facts == read(data, [])[1].facts


@pytest.mark.parametrize(
    ("stream", "chunks"), [(STREAMS[3], 12), (STREAMS[4], 1), (STREAMS[5], 1), (STREAMS[7], 0), (b"", 0)]
)
def test_data_events_are_counted_and_end_marker_and_comments_are_not(stream: bytes, chunks: int) -> None:
    assert read(stream, [])[1].facts.chunks == chunks


def test_usage_of_a_last_event_without_its_blank_line_counts() -> None:
    assert read(STREAMS[5], [])[1].facts.usage == Usage(input_fresh_tokens=1, output_text_tokens=2)


def test_an_event_too_large_to_look_at_still_passes() -> None:
    image = b'data: {"b64":"' + b"A" * (5 << 20) + b'"}\n\n'
    out, reader = read(RESPONSES + image + RESPONSES, [65_536] * 70)
    assert out == RESPONSES + image + RESPONSES
    assert reader.facts.chunks >= 12


def test_what_is_kept_is_bounded() -> None:
    _, reader = read(b"data: " + b"x" * 70_000 + b"\n\n" + RESPONSES * 200, [10_000] * 100)
    assert sum(map(len, reader.kept)) == KEPT_BYTES


def test_a_stream_becomes_the_document_it_stands_for() -> None:
    assert orjson.loads(transcript([RESPONSES])) == orjson.loads((GOLDEN / "responses.transcript.json").read_bytes())


def test_other_streams_become_the_list_of_their_events() -> None:
    kept = [b': hello\n\ndata: {"a":1}\n\nda', b'ta: [2]\n\ndata: [DONE]\n\ndata: {"cut']
    assert orjson.loads(transcript(kept)) == {"events": [{"a": 1}, [2]]}
    assert orjson.loads(transcript([])) == {"events": []}


def test_a_stream_nested_too_deeply_to_be_written_has_no_transcript() -> None:
    assert transcript([b"data: " + b"[" * 300 + b"]" * 300 + b"\n\n"]) == b"{}"


def test_repeated_text_of_a_stream_is_counted_once() -> None:
    assert spoken_in([RESPONSES]) == SPEECH
    chat = b'data: {"choices":[{"delta":{"role":"assistant","content":"Hel"}}]}\n\n'
    assert spoken_in([chat, chat.replace(b"Hel", b"lo")]) == "Hello"
    assert spoken_in([]) == ""
