from __future__ import annotations

import pytest
from hypothesis import given

from gateway.core.chat_events import Argued, Began, Called, ChatEvent, Ended, Finished, Foreign, Said, Thought
from gateway.core.errors import InvalidAnswer, StreamBroken, StreamFailed
from gateway.core.usage import Usage
from gateway.wire.bedrock_converse.chat_stream_reader import ConverseEventReader
from tests.support.bedrock_script import SEAL, START, call, delta, ending, frame, message, stop, text, thought, thrown
from tests.support.bedrock_streams import MadeUp, made_up
from tests.support.streams import cut, cuttings


def read(*pieces: bytes) -> list[ChatEvent]:
    reader = ConverseEventReader()
    return [event for piece in pieces for event in reader.feed(piece)] + list(reader.finish())


def test_a_stream() -> None:
    events = message(thought(0, "hm"), text(1, "a", ""), call(2, '{"b":', "1}"), call(3), reason="tool_use")
    assert read(*events) == [
        Began(id="", model=""),
        Thought(choice=0, text="hm", block=0, origin="anthropic_messages"),
        Thought(choice=0, signature=SEAL, block=0, origin="anthropic_messages"),
        Said(choice=0, text="a", block=1),
        Called(choice=0, call=0, id="tooluse_2", name="weather"),
        Argued(choice=0, call=0, arguments='{"b":'),
        Argued(choice=0, call=0, arguments="1}"),
        Called(choice=0, call=1, id="tooluse_3", name="weather"),
        Argued(choice=0, call=1, arguments="{}"),
        Finished(choice=0, finish="tool_calls"),
        Ended(usage=Usage(100, 600, 300, 200)),
    ]


@given(made_up(), cuttings(4_000))
def test_any_cut_gives_the_same_events(stream: MadeUp, marks: list[int]) -> None:
    assert read(*cut(stream.data, marks)) == read(stream.data)


def test_what_is_of_this_dialect_alone() -> None:
    image = {"image": {"source": {"bytes": "eA=="}}}
    served = frame(
        "contentBlockStart",
        {"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "t", "name": "n", "type": "server_tool_use"}}},
    )
    inside = delta(1, {"toolUse": {"input": "{}"}})
    result = delta(2, {"toolResult": [{"text": "a"}]})
    events = read(START, delta(0, image), stop(0), served, inside, stop(1), result, stop(2), *ending())
    assert [type(event) for event in events] == [Began, Foreign, Finished, Ended]


def test_ends() -> None:
    assert read(*message(text(0, "a"))[:-1])[-1] == Ended(usage=None)
    for broken in ([], [START], message(text(0, "a"))[:-2], [*message(text(0, "a"))[:-1], b"\0\0"]):
        with pytest.raises(StreamBroken):
            read(*broken)
    with pytest.raises(StreamFailed, match="Slow") as failed:
        read(START, thrown("throttlingException", "Slow."))
    assert failed.value.status == 429
    routed = frame("metadata", {"trace": {"promptRouter": {"invokedModelId": "m"}}})
    assert read(frame("messageStop", {"stopReason": "end_turn"}), routed)[0] == Began(id="", model="m")


@pytest.mark.parametrize(
    "odd",
    [
        delta(0, {"toolUse": {"input": "x"}}),
        frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": 1}),
        frame("contentBlockStop", {}),
        call(0)[0] + call(0)[0],
    ],
)
def test_what_makes_no_sense_is_refused(odd: bytes) -> None:
    with pytest.raises(InvalidAnswer):
        read(START, odd)
