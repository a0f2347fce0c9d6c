from __future__ import annotations

from typing import Any

from gateway.core.errors import Blocked
from gateway.wire.openai_chat import DIALECT as CHAT
from gateway.wire.openai_responses import DIALECT
from gateway.wire.openai_responses.ending import ending, next_event
from tests.support.response_streams import by_three, call, documents, message, numbers, reasoning, response, streamed
from tests.support.streams import ToyScreen, relay, stream_request


def stopped(*items: Any, word: str = "STOP") -> list[dict[str, Any]]:
    outcome = relay(
        DIALECT, stream_request(DIALECT), ToyScreen(stop_word=word), streamed(response(*items), by_three).events
    )
    assert isinstance(outcome.error, Blocked)
    data = outcome.client + ending(outcome.reader)
    assert numbers(data) == list(range(len(numbers(data))))
    return documents(data)


def test_what_was_said_is_done_and_the_answer_is_incomplete() -> None:
    events = stopped(reasoning("I think"), message("first"), message("and STOP now", number=1))
    assert [each["type"] for each in events[-4:]] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.incomplete",
    ]
    output = events[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["reasoning", "message", "message"]
    assert output[1]["content"][0]["text"] == "first"
    assert (output[2]["status"], output[2]["content"][0]["text"]) == ("incomplete", events[-4]["text"])


def test_thoughts_that_were_stopped_end_too() -> None:
    events = stopped(reasoning("I STOP"))
    assert [each["type"] for each in events[-4:-2]] == [
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
    ]
    assert events[-1]["response"]["output"][0]["summary"][0]["text"] == events[-4]["text"]


def test_a_part_that_was_done_before_is_in_the_answer_and_ends_once() -> None:
    events = stopped(message("first", "and STOP now"))
    assert next(each["text"] for each in events if each["type"] == "response.output_text.done") == "first"
    content = events[-1]["response"]["output"][0]["content"]
    assert [part["text"] for part in content] == ["first", events[-4]["text"]]
    assert sum(each["type"] == "response.content_part.done" for each in events) == 2


def test_what_a_reader_was_made_to_forget_is_not_in_the_end() -> None:
    data = streamed(response(message("hello"), message("SECRET then", number=1)), by_three)
    at = next(at for at, raw in enumerate(data.events) if b'"sequence_number":11,' in raw)
    reader = DIALECT.stream_reader(stream_request(DIALECT), ToyScreen())
    out = b"".join(map(reader.feed, data.events[:at]))
    mark = reader.mark()
    expected = ending(reader)
    for raw in data.events[at:-1]:
        reader.feed(raw)
    reader.rewind(mark)
    assert (ending(reader), reader.mark()) == (expected, mark)
    assert numbers(out + expected) == list(range(len(numbers(out + expected))))
    reader.feed(data.events[-1])
    reader.rewind(mark)
    assert reader.kept == []


def test_a_stream_that_passed_ends_with_what_had_passed() -> None:
    data = streamed(response(message("hello")), by_three)
    reader = DIALECT.stream_reader(stream_request(DIALECT), None)
    for raw in data.events[:5]:
        reader.feed(raw)
    [event] = documents(ending(reader))
    assert event["sequence_number"] == 5
    assert event["response"]["output"][0]["content"][0]["text"] == "hel"


def test_half_a_call_is_left_out() -> None:
    events = stopped(message("ok"), call("look", '{"a":"STOP"}'))
    assert [item["type"] for item in events[-1]["response"]["output"]] == ["message"]
    assert all("arguments.d" not in each["type"] for each in events)


def test_a_stream_of_which_nothing_was_shown() -> None:
    reader = DIALECT.stream_reader(stream_request(DIALECT), None)
    assert [each["type"] for each in documents(ending(reader))] == ["response.incomplete"]
    assert next_event(CHAT.stream_reader(stream_request(CHAT), None)) == 0
