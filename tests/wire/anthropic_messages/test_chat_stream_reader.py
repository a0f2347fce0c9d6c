from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given

from gateway.core.chat import Opaque
from gateway.core.chat_events import Argued, Began, Called, ChatEvent, Ended, Finished, Foreign, Refused, Said, Thought
from gateway.core.errors import GatewayError, InvalidAnswer, StreamBroken, StreamFailed
from gateway.core.usage import Usage
from gateway.wire.anthropic_messages.chat_stream_reader import MessageEventReader
from gateway.wire.anthropic_messages.events import MESSAGE_STOP, delta, event
from tests.support.message_streams import (
    PING,
    SEAL,
    START,
    MadeUp,
    block,
    call,
    last,
    made_up_messages,
    message,
    text,
    thought,
)
from tests.support.streams import cut, cuttings

OWN = "anthropic_messages"


def read(pieces: Sequence[bytes]) -> list[ChatEvent]:
    reader, out = MessageEventReader(), list[ChatEvent]()
    for piece in pieces:
        out += reader.feed(piece)
    return [*out, *reader.finish()]


def test_the_events_of_a_message() -> None:
    assert read([PING, *message(thought(0, "hm"), text(1, "so"), call(2, '{"q":1}'), reason="tool_use")]) == [
        Began(id="msg_1", model="m-1", usage=Usage(10, 7, 5, 1, 0)),
        Thought(choice=0, text="hm", origin=OWN),
        Thought(choice=0, signature=SEAL, origin=OWN),
        Said(choice=0, text="so", block=1),
        Called(choice=0, call=0, id="toolu_2", name="look"),
        Argued(choice=0, call=0, arguments='{"q":1}'),
        Finished(choice=0, finish="tool_calls"),
        Ended(usage=Usage(10, 7, 5, 42, 0)),
    ]


@given(made_up_messages(), cuttings(4_000))
def test_any_cut_gives_the_same_events(stream: MadeUp, marks: list[int]) -> None:
    assert read(cut(stream.data, marks)) == read([stream.data])


def test_calls_without_arguments_and_with_all_of_them_at_once() -> None:
    at_once = block(1, {"type": "tool_use", "id": "t", "name": "n", "input": {"a": 1}})
    told = [each.arguments for each in read(message(call(0), at_once)) if isinstance(each, Argued)]
    assert told == ["{}", '{"a":1}']


def test_what_only_this_dialect_knows() -> None:
    served = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    hidden = {"type": "redacted_thinking", "data": SEAL}
    stream = message(
        block(0, served, delta(0, "input_json_delta", partial_json='{"q":"x"}')),
        block(1, hidden),
        block(2, {"type": "text", "text": "a"}, delta(2, "citations_delta", citation={"type": "c", "url": "u"})),
        block(3, {"type": "thinking", "thinking": "t", "signature": "s"}),
    )
    events = read(stream)
    assert events[1] == Foreign(
        choice=0, piece=Opaque(dialect=OWN, kind="server_tool_use", document={**served, "input": {"q": "x"}})
    )
    assert events[2] == Thought(choice=0, encrypted=SEAL, block=1, origin=OWN)
    said = events[4]
    assert isinstance(said, Said)
    assert said.citations[0].url == "u"
    assert events[5] == Thought(choice=0, text="t", signature="s", block=3, origin=OWN)


def test_a_refusal_with_words_and_a_stop_sequence() -> None:
    ended = event(
        "message_delta",
        delta={"stop_reason": "refusal", "stop_sequence": "E", "stop_details": {"explanation": "No."}},
        usage={"output_tokens": 1},
    )
    events = read([START, ended, MESSAGE_STOP])
    assert events[1:3] == [Refused(choice=0, text="No."), Finished(choice=0, finish="refusal", stop_sequence="E")]


def test_a_stream_that_only_lacks_its_last_event_is_whole() -> None:
    assert isinstance(read([START, *text(0, "a"), last()])[-1], Ended)
    assert read([START, *text(0, "a")[:2], last()])[-2] == Finished(choice=0, finish="stop")


@pytest.mark.parametrize(
    ("pieces", "error"),
    [
        ([], StreamBroken),
        ([START], StreamBroken),
        ([START, MESSAGE_STOP], StreamBroken),
        ([START, event("error", error={"type": "overloaded_error", "message": "m"})], StreamFailed),
        ([event("message_start")], InvalidAnswer),
        ([START, delta(0, "text_delta", text="a")], InvalidAnswer),
        ([START, text(0)[0], text(0)[0]], InvalidAnswer),
        ([b"event: x\ndata: {\n\n"], InvalidAnswer),
    ],
)
def test_what_is_wrong_is_raised(pieces: list[bytes], error: type[GatewayError]) -> None:
    with pytest.raises(error) as caught:
        read(pieces)
    if isinstance(caught.value, StreamFailed):
        assert (caught.value.status, caught.value.detail) == (529, None)


def test_input_of_a_providers_own_tool_is_bounded() -> None:
    served = event("content_block_start", index=0, content_block={"type": "server_tool_use", "input": {}})
    piece = delta(0, "input_json_delta", partial_json="x" * 500_000)
    with pytest.raises(InvalidAnswer):
        read([START, served, piece, piece, piece])
