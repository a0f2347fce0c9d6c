from __future__ import annotations

from hypothesis import given

from gateway.wire.openai_responses import DIALECT
from gateway.wire.openai_responses.merge import Script, assemble, restream
from tests.support.response_streams import (
    MadeUp,
    by_three,
    call,
    documents,
    made_up_streams,
    message,
    numbers,
    reasoning,
    response,
    streamed,
    told,
)
from tests.support.streams import relay, stream_request


@given(made_up_streams())
def test_a_stream_stands_for_its_answer(made: MadeUp) -> None:
    assert assemble([made.stream]) == made.whole


@given(made_up_streams())
def test_an_answer_written_as_a_stream_is_read_back(made: MadeUp) -> None:
    data = restream(made.whole)
    assert assemble([data]) == made.whole
    assert numbers(data) == list(range(len(numbers(data))))
    assert told(data) == told(made.stream)
    outcome = relay(DIALECT, stream_request(DIALECT), None, [data])
    assert (outcome.error, outcome.client) == (None, data)


def test_what_came_of_a_stream_that_broke_off() -> None:
    whole = response(reasoning("I think"), message("hello there"), call("look", '{"a":1}'))
    events = streamed(whole, by_three).events
    cut = next(at for at, raw in enumerate(events) if b"lo there"[:3] in raw and b".delta" in raw)
    left = assemble(events[:cut])
    assert left["output"][0]["summary"] == [{"type": "summary_text", "text": "I think"}]
    assert left["output"][1]["content"][0]["text"] == "hel"
    assert left["status"] == "in_progress"
    assert assemble([]) == {"output": []}


def test_how_an_answer_ended_is_how_its_stream_ends() -> None:
    for status in ("completed", "incomplete", "failed"):
        assert documents(restream(response(status=status)))[-1]["type"] == f"response.{status}"
    assert restream([1]) == b""


def test_events_are_numbered() -> None:
    script = Script(5)
    data = script.event("a") + script.event("b", more=1)
    assert documents(data) == [{"type": "a", "sequence_number": 5}, {"type": "b", "sequence_number": 6, "more": 1}]
