from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.core.errors import Blocked, StreamBroken, StreamFailed
from gateway.core.ports import Dialect
from gateway.wire.openai_chat import DIALECT
from gateway.wire.openai_screen import ScreenedReader
from gateway.wire.openai_stream import PassReader
from tests.support.incoming import json_incoming
from tests.support.streams import OpenScreen, golden_cases, stream_request, verdicts

CASES = golden_cases("openai_chat")
KEPT = [b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"a b"},"finish_reason":"stop"}]}\n\n']


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_recorded_streams_come_out_as_written_down(case: Path) -> None:
    assert verdicts(DIALECT, case) == orjson.loads(case.with_suffix(".json").read_bytes())


def test_dialect_keeps_the_contract() -> None:
    dialect: Dialect = DIALECT
    assert dialect.name == "openai_chat"


def test_request_goes_through_unchanged_but_for_the_model() -> None:
    document = {"model": "alias", "messages": [{"role": "user", "content": "hi"}]}
    request = DIALECT.parse(json_incoming("/v1/chat/completions", document), document)
    assert DIALECT.upstream_body(request, document, "") is request.body
    assert orjson.loads(DIALECT.upstream_body(request, document, "real")) == {**document, "model": "real"}
    assert [segment.text for segment in DIALECT.segments(document)] == ["hi"]


def test_whole_answer_is_read() -> None:
    answer: dict[str, Any] = {
        "model": "m",
        "choices": [{"index": 0, "message": {"content": "a"}, "logprobs": {"content": []}, "finish_reason": "stop"}],
    }
    assert DIALECT.read_answer(answer).finish_reason == "stop"
    assert [segment.text for segment in DIALECT.answer_segments(answer)] == ["a"]
    assert DIALECT.answer_text(answer, []) == "a"
    answer["choices"][0]["logprobs"] = {"content": [{"token": "a"}]}
    stripped = DIALECT.strip_repeats(answer, {("choices", 0, "message", "content")})
    assert stripped["choices"][0]["logprobs"] is None


def test_stream_is_read_by_the_reader_that_the_rules_call_for() -> None:
    request = stream_request(DIALECT)
    assert isinstance(DIALECT.stream_reader(request, None), PassReader)
    assert isinstance(DIALECT.stream_reader(request, OpenScreen()), ScreenedReader)


def test_streamed_answer_is_put_together() -> None:
    assert DIALECT.answer_text(None, KEPT) == "a b"
    assert orjson.loads(DIALECT.stream_transcript(KEPT))["choices"][0]["message"]["content"] == "a b"


def test_errors_have_the_dialects_shape() -> None:
    body = DIALECT.error_body(Blocked("no-keys"), "x")
    assert orjson.loads(body)["error"]["code"] == "policy_blocked"
    event = DIALECT.stream_error(StreamBroken("cut"), "x")
    assert event.startswith(b'data: {"error":')
    assert event.endswith(b"}\n\n")
    own = StreamFailed("x", detail=b'{"message":"own"}')
    assert DIALECT.stream_error(own, "x") == b'data: {"error":{"message":"own"}}\n\n'


def test_block_before_the_first_chunk_ends_every_choice_asked_for() -> None:
    end = DIALECT.stream_block(DIALECT.stream_reader(stream_request(DIALECT, choices=2), OpenScreen()))
    assert end.count(b"content_filter") == 2
    assert end.endswith(b"data: [DONE]\n\n")
