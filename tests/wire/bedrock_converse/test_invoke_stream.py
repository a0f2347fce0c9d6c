from __future__ import annotations

import base64

import orjson
import pytest
from hypothesis import given

from gateway.core.errors import Blocked, InvalidAnswer, StreamBroken, StreamFailed
from gateway.core.ports import TextScreen
from gateway.wire import anthropic_messages, passthrough
from gateway.wire.bedrock_converse import BedrockInvoke
from gateway.wire.bedrock_converse.invoke_packing import EVENTS
from gateway.wire.bedrock_converse.invoke_stream import FramedReader
from tests.support.bedrock_script import frame, invoked, thrown
from tests.support.bedrock_streams import client_events
from tests.support.message_streams import MadeUp, made_up_messages
from tests.support.message_streams import client_events as client_messages
from tests.support.message_streams import client_texts as client_message_texts
from tests.support.streams import Outcome, ToyScreen, cut, cuttings, redact, relay, stream_request

MESSAGES = BedrockInvoke(anthropic_messages.DIALECT, parses=True)
OTHERS = BedrockInvoke(passthrough.DIALECT, parses=False)


def frames(stream: MadeUp) -> list[bytes]:
    return invoked(*client_messages(stream.data))


def passed(pieces: list[bytes], screen: TextScreen | None = None, dialect: BedrockInvoke = MESSAGES) -> Outcome:
    return relay(dialect, stream_request(dialect), screen, pieces)


def as_events(data: bytes) -> bytes:
    """What a client finds in the frames, as it would have come without them."""
    said = [orjson.loads(base64.b64decode(document["bytes"])) for _, document in client_events(data)]
    return b"".join(b"event: %b\ndata: %b\n\n" % (each["type"].encode(), orjson.dumps(each)) for each in said)


@given(made_up_messages(), cuttings(6_000))
def test_events_pass_for_every_cut(stream: MadeUp, marks: list[int]) -> None:
    data = b"".join(frames(stream))
    outcome = passed(cut(data, marks))
    assert outcome.error is None
    assert client_messages(as_events(outcome.client)) == client_messages(stream.data)
    assert outcome.reader.facts.finish_reason == "end_turn"


@given(made_up_messages(), cuttings(6_000))
def test_client_reads_the_redacted_text(stream: MadeUp, marks: list[int]) -> None:
    outcome = passed(cut(b"".join(frames(stream)), marks), ToyScreen())
    assert outcome.error is None
    assert client_message_texts(as_events(outcome.client)) == {
        place: redact(said) for place, said in stream.texts.items()
    }


def test_a_frame_that_is_passed_on_as_it_came_keeps_its_filling() -> None:
    (raw,) = invoked({"generation": "Sure."})
    reader = FramedReader(passthrough.DIALECT.stream_reader(stream_request(OTHERS), None), EVENTS)
    assert reader.feed(raw) == raw
    assert reader.finish() == b""


def test_other_models_under_rules() -> None:
    pieces = invoked({"generation": "a SECRET"}, {"generation": "more"})
    clean = passed(pieces[1:], ToyScreen(), OTHERS)
    assert clean.error is None
    said = [orjson.loads(base64.b64decode(document["bytes"])) for _, document in client_events(clean.client)]
    assert said == [{"generation": "more"}]
    # Nobody knows which words belong together: what would have to be edited is turned back.
    outcome = passed(pieces, ToyScreen(), OTHERS)
    assert isinstance(outcome.error, Blocked)
    assert outcome.client == b""


def test_failures() -> None:
    (first, *_) = invoked({"type": "ping"})
    for pieces in ([first, thrown("throttlingException", "Slow.")], [first + thrown("throttlingException", "Slow.")]):
        outcome = passed(pieces, None, OTHERS)
        assert isinstance(outcome.error, StreamFailed)
        assert outcome.client == first
        with pytest.raises(StreamFailed):
            outcome.reader.finish()
    assert isinstance(passed([first]).error, StreamBroken)
    assert isinstance(passed([first, first[:9]], None, OTHERS).error, StreamBroken)


@pytest.mark.parametrize("odd", [frame("chunk", {}), frame("other", {}), frame("chunk", {"bytes": "?"})])
def test_frames_with_nothing_in_them(odd: bytes) -> None:
    assert isinstance(passed([odd]).error, InvalidAnswer)


def test_a_moment_can_be_come_back_to() -> None:
    reader = FramedReader(anthropic_messages.DIALECT.stream_reader(stream_request(MESSAGES), None), EVENTS)
    mark = reader.mark()
    reader.feed(b"".join(invoked({"type": "message_start", "message": {}})))
    reader.rewind(mark)
    assert reader.kept == []
