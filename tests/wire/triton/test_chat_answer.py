from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.chat import ChatAnswer, ChatRequest, Choice, Text, TokenLogprob
from gateway.core.chat_events import Began, Ended, Finished, Said
from gateway.core.errors import InvalidAnswer, StreamBroken, StreamFailed
from gateway.core.usage import Usage
from gateway.wire.triton.chat_answer import (
    TritonEventReader,
    TritonEventWriter,
    finish_of,
    read_answer,
    read_error,
    read_usage,
    unmarked,
    write_answer,
)
from gateway.wire.triton.wanted import TELLABLE, Wanted
from tests.support.streams import cut, cuttings

STOP = ("<|im_end|>",)
ASKED = ChatRequest(dialect="triton", model="m", turns=())
EVERYTHING = ChatRequest(dialect="triton", model="m", turns=(), told_as=Wanted(TELLABLE, True, "7"))


def event(text: str, **more: object) -> bytes:
    return b"data: " + orjson.dumps({"model_name": "m", "model_version": "1", "text_output": text, **more}) + b"\n\n"


def test_a_whole_answer() -> None:
    document = {"id": "7", "model_name": "m", "text_output": "four<|im_end|>", "finish_reason": "length",
                "num_input_tokens": 3, "num_output_tokens": 1}  # fmt: skip
    answer = read_answer(document, STOP)
    assert answer == ChatAnswer(
        id="7",
        model="m",
        choices=(Choice(index=0, parts=(Text(text="four"),), finish="length"),),
        usage=Usage(input_fresh_tokens=3, output_text_tokens=1),
    )
    assert write_answer(answer, ASKED) == {"id": "7", "model_name": "m", "model_version": "1", "text_output": "four"}
    assert read_usage(document) == answer.usage
    for wrong in ([], {"model_name": "m"}):
        with pytest.raises(InvalidAnswer):
            read_answer(wrong, STOP)


@given(st.lists(st.text(max_size=4), min_size=1, max_size=6), cuttings(800))
def test_a_stream_is_read_however_it_is_cut_and_written_again(texts: list[str], marks: list[int]) -> None:
    data = b"".join([event(text) for text in texts])
    reader = TritonEventReader(STOP)
    events = [each for piece in cut(data, marks) for each in reader.feed(piece)]
    events += reader.finish()
    assert events[0] == Began(id="", model="m")
    assert "".join([each.text for each in events if isinstance(each, Said)]) == "".join(texts)
    assert events[-2:] == [Finished(choice=0, finish="stop"), Ended(usage=None)]
    again = TritonEventReader(())
    written = TritonEventWriter(ASKED).write(events)
    back = [*again.feed(written), *again.finish()]
    assert "".join([each.text for each in back if isinstance(each, Said)]) == "".join(texts)


def test_an_error_inside_a_stream_and_a_stream_of_nothing() -> None:
    reader = TritonEventReader(STOP)
    reader.feed(event("a"))
    with pytest.raises(StreamFailed, match="out of memory"):
        reader.feed(b'data: {"error":"out of memory"}\n\n')
    with pytest.raises(StreamBroken):
        TritonEventReader(STOP).finish()


def test_several_texts_are_several_choices() -> None:
    reader = TritonEventReader(STOP)
    events = [*reader.feed(b'data: {"text_output":["a","b"]}\n\n'), *reader.finish()]
    assert [(each.choice, each.text) for each in events if isinstance(each, Said)] == [(0, "a"), (1, "b")]
    written = TritonEventWriter(ChatRequest(dialect="triton", model="m", turns=(), choices=2)).write(events)
    assert [orjson.loads(line[6:])["text_output"] for line in written.split(b"\n\n")[:-1]] == [["a", ""], ["", "b"]]


def test_a_stream_that_said_nothing_is_still_an_answer() -> None:
    written = TritonEventWriter(ASKED).write([Began(id="7", model="m"), Finished(choice=0, finish="stop"), Ended()])
    assert orjson.loads(written[6:]) == {"id": "7", "model_name": "m", "model_version": "1", "text_output": ""}


def test_errors_keep_the_servers_words_and_status() -> None:
    error = read_error(429, {b"retry-after": b"2"}, {"error": "queue is full"})
    assert (error.status, error.public_message, error.retry_after_s) == (429, "queue is full", 2)
    assert read_error(500, {}, None).public_message == "The server answered with status 500."


def test_ends_and_marks() -> None:
    assert finish_of("length") == "length"
    assert finish_of("") == "stop"
    assert unmarked("a<|im_end|>", STOP) == "a"


def test_what_a_client_wants_besides_is_told_with_the_last_event() -> None:
    likely = (TokenLogprob(token="a", logprob=-0.5),)
    written = TritonEventWriter(EVERYTHING).write(
        [
            Began(id="provider's", model="m"),
            Said(choice=0, text="a", logprobs=likely),
            Said(choice=0, text="b", logprobs=likely),
            Finished(choice=0, finish="length"),
            Ended(usage=Usage(input_fresh_tokens=3, output_text_tokens=2)),
        ]
    )
    first, second, last = [orjson.loads(line[6:]) for line in written.split(b"\n\n")[:-1]]
    assert (first["id"], first["text_output"], first["output_log_probs"]) == ("7", "a", [-0.5])
    # The whole text again, as it was asked for.
    assert (second["text_output"], second["cum_log_probs"]) == ("ab", -1.0)
    del last["id"], last["model_name"], last["model_version"]
    assert last == {"text_output": "ab", "finish_reason": "length", "num_input_tokens": 3, "num_output_tokens": 2}


def test_what_a_client_wants_besides_is_told_of_a_whole_answer() -> None:
    choice = Choice(index=0, parts=(Text(text="a"),), finish="stop", logprobs=(TokenLogprob(token="a", logprob=-0.25),))
    answer = ChatAnswer(id="provider's", model="m", choices=(choice,), usage=Usage(input_fresh_tokens=3))
    told = write_answer(answer, EVERYTHING)
    assert told == {
        "id": "7",
        "model_name": "m",
        "model_version": "1",
        "text_output": "a",
        "finish_reason": "stop",
        "num_input_tokens": 3,
        "num_output_tokens": 0,
        "output_log_probs": [-0.25],
        "cum_log_probs": -0.25,
    }
