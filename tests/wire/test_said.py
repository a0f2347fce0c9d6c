"""What a piece of a stream holds is told by its bytes: never nothing where something was said, and near enough."""

from __future__ import annotations

import base64

import orjson
import pytest

from gateway.wire.said import counter
from tests.support.rooms import event

TEXT = 'a few words that a model has said, "quoted" and so on\n'
EVENTS = {
    "openai_chat": {"choices": [{"index": 0, "delta": {"content": TEXT}}]},
    "openai_completions": {"choices": [{"index": 0, "text": TEXT}]},
    "openai_responses": {"type": "response.output_text.delta", "delta": TEXT},
    "anthropic_messages": {"type": "content_block_delta", "delta": {"type": "text_delta", "text": TEXT}},
    "gemini": {"candidates": [{"content": {"parts": [{"text": TEXT}]}}]},
    "bedrock_converse": {"contentBlockIndex": 0, "delta": {"text": TEXT}},
    "triton": {"model_name": "m", "text_output": TEXT},
    "unheard_of": {"generation": TEXT},
}


@pytest.mark.parametrize("dialect", sorted(EVENTS))
def test_four_bytes_are_a_token_in_every_dialect(dialect: str) -> None:
    data = b"data: " + orjson.dumps(EVENTS[dialect]) + b"\n\n"
    count = counter(dialect)
    assert len(TEXT) // 4 <= count(data) <= len(TEXT) // 4 + 2
    assert count(data * 3) >= 3 * (len(TEXT) // 4)


def test_frames_are_opened() -> None:
    inner = base64.b64encode(orjson.dumps(EVENTS["anthropic_messages"]))
    count = counter("bedrock_invoke")
    assert count(b'\x00\x01{"bytes":"' + inner + b'"}\x02') >= len(TEXT) // 4
    assert count(b'{"bytes":"' + inner[:5]) == 0


def test_a_short_text_is_a_token_and_none_is_none() -> None:
    count = counter("openai_chat")
    assert count(event("a")) == 1
    assert count(event("")) == count(event()) == count(b": ping\n\n") == 0
    assert count(event("a") * 7) == 7


def test_what_repeats_a_text_is_not_counted_again() -> None:
    whole = {"type": "response.output_text.done", "text": TEXT}
    assert counter("openai_responses")(orjson.dumps(whole)) == 0
