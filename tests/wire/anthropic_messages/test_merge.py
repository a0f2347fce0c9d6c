from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given

from gateway.wire.anthropic_messages import DIALECT
from gateway.wire.anthropic_messages.events import MESSAGE_STOP, delta, event
from gateway.wire.anthropic_messages.merge import assemble, documents, restream
from tests.support.message_streams import (
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
from tests.wire.anthropic_messages.test_answer import ANSWER


def test_a_message_from_its_events() -> None:
    cited = {"type": "char_location", "cited_text": "w"}
    stream = message(
        thought(0, "h", "mm"),
        block(
            1,
            {"type": "text", "text": ""},
            delta(1, "citations_delta", citation=cited),
            delta(1, "text_delta", text="a"),
        ),
        call(2, '{"q":', "1}"),
        call(3),
    )
    assert assemble(stream) == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m-1",
        "content": [
            {"type": "thinking", "thinking": "hmm", "signature": SEAL},
            {"type": "text", "text": "a", "citations": [cited]},
            {"type": "tool_use", "id": "toolu_2", "name": "look", "input": {"q": 1}},
            {"type": "tool_use", "id": "toolu_3", "name": "look", "input": {}},
        ],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 10,
            "cache_read_input_tokens": 7,
            "cache_creation_input_tokens": 5,
            "output_tokens": 42,
        },
    }


def test_input_that_never_became_json_is_kept_as_far_as_it_came() -> None:
    assert assemble([START, *call(0, '{"q":')])["content"][0]["input"] == '{"q":'


def test_a_stream_of_nothing() -> None:
    assert assemble([]) == {}
    assert list(documents([b"data: {\n\ndata: 1\n\n: c\n\n", b"x" * 2_000_000])) == []
    assert orjson.loads(DIALECT.stream_transcript([])) == {}


@pytest.mark.parametrize("document", [ANSWER, {**ANSWER, "content": [], "stop_reason": "end_turn"}])
def test_a_message_written_as_a_stream_is_that_message_again(document: dict[str, Any]) -> None:
    assert assemble([restream(document)]) == document


def test_every_kind_of_block_survives_both_ways() -> None:
    cited = {"type": "char_location", "cited_text": "w"}
    content = [
        {"type": "text", "text": "a", "citations": [cited, cited]},
        {"type": "redacted_thinking", "data": SEAL},
        {"type": "thinking", "thinking": "", "signature": SEAL},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
    ]
    document = {**ANSWER, "content": content, "stop_reason": "refusal",
                "stop_details": {"type": "refusal", "category": "bio"}}  # fmt: skip
    assert assemble([restream(document)]) == document


@given(made_up_messages())
def test_whatever_was_streamed_can_be_streamed_again(stream: MadeUp) -> None:
    whole = assemble(stream.events)
    assert assemble([restream(whole)])["content"] == [
        {**each, "input": each["input"]} if "input" in each else each for each in whole["content"]
    ]


def test_odd_pieces_are_left_out() -> None:
    odd = [
        event("content_block_delta", index=9, delta={"type": "text_delta", "text": "x"}),
        event("content_block_start", index="x", content_block={}),
        event("content_block_delta", index=0, delta={"type": ["x"]}),
    ]
    assert assemble([START, *text(0, "a")[:2], *odd, last(), MESSAGE_STOP])["content"] == [
        {"type": "text", "text": "a"}
    ]
