from __future__ import annotations

import orjson
import pytest

from gateway.core.chat_events import Began, ChatEvent, Ended, Finished, Said
from gateway.core.errors import InvalidAnswer, StreamBroken, StreamFailed
from gateway.core.usage import Usage
from gateway.wire.openai_completions.chat_stream import TextEventReader, TextEventWriter

EVENTS: list[ChatEvent] = [
    Began(id="cmpl-1", model="m-1", created_s=7),
    Said(choice=0, text="Once "),
    Said(choice=0, text="upon"),
    Finished(choice=0, finish="length"),
    Ended(usage=Usage(input_fresh_tokens=3, output_text_tokens=2)),
]


def test_what_is_written_is_read_again_however_it_is_cut():
    data = TextEventWriter().write(EVENTS)
    reader = TextEventReader()
    read = [event for at in range(len(data)) for event in reader.feed(data[at : at + 1])]
    assert [*read, *reader.finish()] == EVENTS


def test_a_server_that_says_no_end_has_ended_with_its_reason():
    reader = TextEventReader()
    reader.feed(TextEventWriter().write(EVENTS[:4]))
    assert reader.finish() == [Ended(usage=None)]


def test_a_stream_without_a_reason_is_broken():
    reader = TextEventReader()
    reader.feed(TextEventWriter().write(EVENTS[:3]))
    with pytest.raises(StreamBroken):
        reader.finish()


def test_an_error_event_is_a_failure_and_what_is_no_event_no_answer():
    with pytest.raises(StreamFailed) as failed:
        TextEventReader().feed(b'data: {"error":{"message":"busy","code":429}}\n\n')
    assert failed.value.status == 429
    with pytest.raises(InvalidAnswer):
        TextEventReader().feed(b"data: [1]\n\n")


def test_odd_fields_count_as_absent():
    odd = {"id": 1, "model": None, "created": "x", "choices": [1, {"text": 2, "finish_reason": "tool"}]}
    events = TextEventReader().feed(b"data: " + orjson.dumps(odd) + b"\n\n")
    assert events == [Began(id="", model=""), Finished(choice=0, finish="stop")]
