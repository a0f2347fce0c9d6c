from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given

from gateway.core.errors import InvalidAnswer, StreamFailed
from gateway.wire.bedrock_converse.events import event
from gateway.wire.bedrock_converse.invoke_packing import EVENTS, FRAMES, METRICS, chunk, framed, opened
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
    assert EVENTS.first([b'data: {"a"', b":1}\n\n"]) == b'{"a":1}'
    assert EVENTS.first([]) == b""


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
    assert FRAMES.first([event("messageStart", {"role": "assistant"})]) == b'{"messageStart":{"role":"assistant"}}'
    # Kept by who reads events.
    assert FRAMES.first([b"data: {}\n\n"]) == b""


@pytest.mark.parametrize("odd", [b"{", b"[]", b"{}", b'{"a":{},"b":{}}', b'{"a":1}', b'{"a b":{}}', b'{"":{}}'])
def test_what_is_no_event_of_converse(odd: bytes) -> None:
    with pytest.raises(InvalidAnswer):
        FRAMES.unpacked(odd)
