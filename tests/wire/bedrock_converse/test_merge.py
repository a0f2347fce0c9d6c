from __future__ import annotations

import orjson
import pytest
from hypothesis import given

from gateway.wire.bedrock_converse import DIALECT
from gateway.wire.bedrock_converse.merge import assemble, restream
from tests.support.bedrock_script import CALL, SEAL, THOUGHT, call, delta, message, said, stop, text, thought
from tests.support.bedrock_streams import MadeUp, made_up
from tests.support.streams import relay, stream_request

CITED = {
    "citationsContent": {
        "content": [{"text": "See."}],
        "citations": [{"title": "A page", "location": {"web": {"url": "https://x.example"}}}],
    }
}
HIDDEN = {"reasoningContent": {"redactedContent": "c2VhbGVk"}}
RESULT = {"toolResult": {"toolUseId": "t", "content": [{"text": "a"}]}}


@pytest.mark.parametrize("block", [{"text": "a"}, THOUGHT, CALL, CITED, HIDDEN, RESULT, {"image": {"format": "png"}}])
def test_an_answer_survives_being_a_stream(block: object) -> None:
    answer = said(block, "then", reason="tool_use")
    data = restream(answer)
    assert assemble([data]) == answer
    outcome = relay(DIALECT, stream_request(DIALECT), None, [data])
    assert outcome.error is None
    assert orjson.loads(DIALECT.stream_transcript(outcome.reader.kept)) == answer


def test_pieces_are_put_together() -> None:
    events = message(thought(0, "Let me ", "look."), text(1, "It", " is"), call(2, '{"city":', '"Rome"}'))
    content = assemble(events)["output"]["message"]["content"]
    assert content[:2] == [THOUGHT, {"text": "It is"}]
    assert content[2]["toolUse"]["input"] == {"city": "Rome"}
    assert content[0]["reasoningContent"]["reasoningText"]["signature"] == SEAL


@given(made_up())
def test_the_text_of_a_stream_is_counted_as_that_of_the_whole(stream: MadeUp) -> None:
    counted = DIALECT.answer_text(None, stream.events)
    assert counted == DIALECT.answer_text(assemble(stream.events), [])
    for (_, kind), words in stream.texts.items():
        assert kind == "input" or words in counted


def test_what_is_cut_off_is_left_out() -> None:
    events = message(call(0, '{"a":', '"b"}'))
    assert assemble(events[:3])["output"]["message"]["content"][0]["toolUse"]["input"] == '{"a":'
    assert assemble([events[0][:9]]) == {}
    assert assemble([b"no frame at all"]) == {}
    assert assemble([delta(0, {"text": "a"}), stop(0)])["output"]["message"]["content"] == [{"text": "a"}]


def test_only_an_object_can_be_a_stream() -> None:
    assert DIALECT.restream([]) == b""
    assert assemble([DIALECT.restream({})])["stopReason"] == "end_turn"
