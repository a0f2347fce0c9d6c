from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given

from gateway.core.errors import InvalidAnswer, StreamFailed
from gateway.wire.bedrock_converse.events import event
from gateway.wire.bedrock_converse.invoke_packing import EVENTS, FRAMES, METRICS, Events, chunk, framed, opened
from tests.support.bedrock_script import frame, thrown
from tests.support.bedrock_streams import client_events, made_up
from tests.support.message_streams import MadeUp


def test_frames_and_what_they_carry() -> None:
    said: Any = opened(chunk(b'{\n"a":\r\n1}'))
    assert said == b'{ "a":  1}'
    for packing in (EVENTS, FRAMES):
        assert framed(b"", packing) == b""
    assert framed(b": ping\n\ndata: {}\n\ndata: [DONE]\n\n", EVENTS) == chunk(b"{}")
    with pytest.raises(StreamFailed, match="Slow"):
        opened(thrown("throttlingException", "Slow."))
    for odd in (frame("chunk", {}), frame("other", {}), frame("chunk", {"bytes": "?"})):
        with pytest.raises(InvalidAnswer):
            opened(odd)


def test_events_are_documents() -> None:
    assert EVENTS.unpacked(b'{"a":1}') == b'data: {"a":1}\n\n'
    assert EVENTS.packed(b'event: x\ndata: {"a":1}\n\ndata: {"b":2}\n\n') == [b'{"a":1}', b'{"b":2}']
    # However lines end, and whatever comes on several of them.
    for odd in (b'data: {"a":1}\r\n\r\n', b'data: {"a":\ndata: 1}\n\n', b'id: 7\ndata: {"a":1}\n\n'):
        assert [orjson.loads(each) for each in EVENTS.packed(odd)] == [{"a": 1}]
    assert EVENTS.first([b'data: {"a"', b":1}\n\n"]) == b'{"a":1}'
    assert EVENTS.first([]) == b""


def test_events_that_have_names_are_given_them_where_they_are_usual() -> None:
    named = Events(b"more")
    assert named.unpacked(b'{"type":"more","a":1}') == b'event: more\ndata: {"type":"more","a":1}\n\n'
    assert named.unpacked(b'{"type":"other"}') == b'data: {"type":"other"}\n\n'
    assert named.packed(named.unpacked(b'{"type":"more"}')) == [b'{"type":"more"}']


def test_what_a_reader_passed_on_is_known_again() -> None:
    fed = EVENTS.unpacked(b"{}")
    assert EVENTS.is_same(fed, fed)
    assert EVENTS.is_same(b"event: x\n" + fed, fed)
    assert not EVENTS.is_same(fed + fed, fed)
    assert not EVENTS.is_same(b": alive\n\n" + fed, fed)
    frame_fed = FRAMES.unpacked(b'{"messageStart":{}}')
    assert FRAMES.is_same(frame_fed, frame_fed)
    assert not FRAMES.is_same(frame_fed + frame_fed, frame_fed)


@given(made_up())
def test_converse_is_one_document_an_event(stream: MadeUp) -> None:
    documents = FRAMES.packed(stream.data)
    assert [next(iter(orjson.loads(each).items())) for each in documents] == client_events(stream.data)
    again = b"".join(map(FRAMES.unpacked, documents))
    assert client_events(again) == client_events(stream.data)
    assert FRAMES.packed(again) == documents


def test_what_amazon_adds_stays_beside_its_event() -> None:
    said = orjson.dumps({"metadata": {"usage": {}}, METRICS: {"inputTokenCount": 3}})
    assert FRAMES.packed(FRAMES.unpacked(said)) == [said]
    # A word of it is not it.
    said = orjson.dumps({"contentBlockDelta": {"delta": {"text": METRICS}}})
    assert FRAMES.packed(FRAMES.unpacked(said)) == [said]
    assert FRAMES.first([event("messageStart", {"role": "assistant"})]) == b'{"messageStart":{"role":"assistant"}}'
    # Kept by who reads events.
    assert FRAMES.first([b"data: {}\n\n"]) == b""


@pytest.mark.parametrize("odd", [b"{", b"[]", b"{}", b'{"a":{},"b":{}}', b'{"a":1}', b'{"a b":{}}', b'{"":{}}'])
def test_what_is_no_event_of_converse(odd: bytes) -> None:
    with pytest.raises(InvalidAnswer):
        FRAMES.unpacked(odd)
