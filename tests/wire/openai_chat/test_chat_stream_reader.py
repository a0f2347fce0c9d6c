from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given

from gateway.core.chat import ToolCall
from gateway.core.chat_events import Called, ChatEvent, Ended, Finished, Refused, Said, Thought
from gateway.core.errors import InvalidAnswer, StreamBroken, StreamFailed
from gateway.wire.openai_chat import chat_stream_reader
from gateway.wire.openai_chat.chat_stream_reader import ChatEventReader
from tests.support.chat_streams import MadeUp, made_up_streams
from tests.support.conversations import answer_of
from tests.support.streams import cut, cuttings

DONE = b"data: [DONE]\n\n"


def event(delta: Any, finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + orjson.dumps({"id": "c", "model": "m", "choices": [choice], **more}) + b"\n\n"


def call(index: int | None = 0, identity: str | None = None, **held: Any) -> bytes:
    piece: dict[str, Any] = {"function": held}
    if index is not None:
        piece["index"] = index
    if identity is not None:
        piece["id"] = identity
    return event({"tool_calls": [piece]})


def read(*pieces: bytes) -> list[ChatEvent]:
    reader = ChatEventReader()
    events = [found for piece in pieces for found in reader.feed(piece)]
    return [*events, *reader.finish()]


def calls(*pieces: bytes) -> list[Any]:
    answer = answer_of(read(*pieces, event({}, "tool_calls"), DONE))
    return [part for part in answer.choices[0].parts if isinstance(part, ToolCall)]


@given(made_up_streams(), cuttings())
def test_any_cut_tells_the_same_texts(made: MadeUp, marks: list[int]) -> None:
    told: dict[tuple[int, str], str] = {}
    for found in read(*cut(made.data, marks)):
        kind = {Said: "content", Thought: "reasoning_content", Refused: "refusal"}.get(type(found), "")
        if kind:
            text: Any = found
            told[text.choice, kind] = told.get((text.choice, kind), "") + text.text
    spoken = ("content", "reasoning_content", "refusal")
    assert {k: v for k, v in told.items() if v} == {k: v for k, v in made.texts.items() if k[1] in spoken}


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([call(0, "c1", name="f"), call(0, arguments='{"a"'), call(0, arguments=":1}")], id="usual"),
        pytest.param([call(0, "c1", name="f", arguments='{"a":1}')], id="in one piece"),
        pytest.param([call(0, "c1", name="f", arguments='{"a"'), call(0, "c1", name="f", arguments=":1}")], id="again"),
        pytest.param([call(0, "c1", name="", arguments='{"a"'), call(0, name="f", arguments=":1}")], id="late name"),
        pytest.param([call(0, "c1"), call(0, "", name="f", arguments='{"a":1}')], id="empty id later"),
        pytest.param([call(None, "c1", name="f", arguments='{"a":1}')], id="no index"),
    ],
)  # fmt: skip
def test_a_call_is_read_however_servers_stream_it(pieces: list[bytes]) -> None:
    assert calls(*pieces) == [ToolCall(id="c1", name="f", arguments='{"a":1}')]


@pytest.mark.parametrize(
    "pieces",
    [
        [call(0, "c1", name="f", arguments="1"), call(1, "c2", name="g", arguments="2")],
        [call(0, "c1", name="f", arguments="1"), call(0, "c2", name="g", arguments="2")],
        [call(0, "c1", name="f"), call(1, "c2", name="g"), call(1, arguments="2"), call(0, arguments="1")],
    ],
)
def test_parallel_calls_are_told_apart(pieces: list[bytes]) -> None:
    assert calls(*pieces) == [ToolCall(id="c1", name="f", arguments="1"), ToolCall(id="c2", name="g", arguments="2")]


def test_a_call_without_a_name_is_told_when_no_name_can_come_any_more() -> None:
    assert calls(call(0, "c1", arguments="1")) == [ToolCall(id="c1", name="", arguments="1")]
    legacy = [event({"function_call": {"name": "f", "arguments": "1"}}), event({"function_call": {"arguments": "2"}})]
    assert calls(*legacy) == [ToolCall(id="", name="f", arguments="12")]
    custom = event({"tool_calls": [{"index": 0, "id": "c", "type": "custom", "custom": {"name": "sh", "input": "ls"}}]})
    assert calls(custom) == [ToolCall(id="c", name="sh", arguments="ls", custom=True)]


def test_usage_and_logprobs_are_read() -> None:
    token = {"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": []}
    choice = {"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [token]}, "finish_reason": None}
    first = b"data: " + orjson.dumps({"id": "c", "choices": [choice]}) + b"\n\n"
    last = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n'
    events = read(first, event({}, "stop"), last, DONE)
    answer = answer_of(events)
    assert answer.usage is not None
    assert answer.usage.output_tokens == 2
    assert answer.choices[0].logprobs is not None
    assert answer.choices[0].logprobs[0].token == "a"


def test_content_in_parts_and_notes_are_read() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "a"}]
    note = {"type": "url_citation", "url_citation": {"url": "u"}}
    events = read(event({"content": parts}), event({"annotations": [note]}), event({"refusal": "no"}, "stop"), DONE)
    assert [type(found) for found in events[1:]] == [Thought, Said, Said, Refused, Finished, Ended]
    assert events[-2] == Finished(choice=0, finish="refusal")


def test_a_whole_stream_may_lack_its_end_marker_or_the_line_after_it() -> None:
    assert isinstance(read(event({"content": "a"}, "stop"))[-1], Ended)
    assert isinstance(read(event({"content": "a"}, "stop"), b"data: [DONE]")[-1], Ended)
    assert read(event({}, "stop"), DONE, event({"content": "late"}))[-1] == Ended(usage=None)


@pytest.mark.parametrize("pieces", [[], [event({"content": "a"})], [event({"content": "a"}), DONE], [b"data: {"]])
def test_a_cut_stream_is_never_whole(pieces: list[bytes]) -> None:
    with pytest.raises(StreamBroken):
        read(*pieces)


def test_an_error_inside_the_stream_keeps_its_words_and_status_but_not_its_form() -> None:
    with pytest.raises(StreamFailed) as raised:
        read(event({"content": "a"}), b'data: {"error":{"message":"slow down","code":429}}\n\n')
    assert (raised.value.status, raised.value.public_message, raised.value.detail) == (429, "slow down", None)


@pytest.mark.parametrize("bad", [b"data: [1]\n\n", b"data: {\n\n"])
def test_what_is_no_event_of_this_dialect_is_refused(bad: bytes) -> None:
    with pytest.raises(InvalidAnswer):
        read(bad)


def test_what_is_kept_of_a_stream_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidAnswer):
        read(*(call(number, f"c{number}", name="f") for number in range(chat_stream_reader.MAX_CALLS + 1)))
    monkeypatch.setattr(chat_stream_reader, "MAX_WAITING_CHARS", 10)
    with pytest.raises(InvalidAnswer):
        read(call(0, "c", arguments="x" * 6), call(0, "c", arguments="x" * 6))
    choices = [{"index": index, "delta": {"content": "a"}} for index in range(chat_stream_reader.MAX_CHOICES + 1)]
    with pytest.raises(InvalidAnswer):
        read(b"data: " + orjson.dumps({"choices": choices}) + b"\n\n")


def test_calls_are_begun_before_their_arguments() -> None:
    events = read(call(0, "c1", arguments="1"), call(0, name="f"), event({}, "tool_calls"), DONE)
    assert events[1] == Called(choice=0, call=0, id="c1", name="f")
