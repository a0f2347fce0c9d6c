"""Bodies in the models' own form: seen as messages where they are, leaf by leaf where nobody knows them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.core.errors import Blocked, MalformedRequest
from gateway.core.ports import Dialect
from gateway.wire import anthropic_messages, openai_chat, passthrough
from gateway.wire.bedrock_converse import BedrockInvoke
from gateway.wire.bedrock_converse.invoke_packing import opened
from tests.support.bedrock_script import invoked
from tests.support.bedrock_streams import client_events
from tests.support.incoming import json_incoming
from tests.support.streams import OpenScreen, stream_request

MESSAGES = BedrockInvoke(anthropic_messages.DIALECT, parses=True)
OTHERS = BedrockInvoke(passthrough.DIALECT, parses=False)
BODY: dict[str, Any] = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hello"}],
}
PATH = "/model/anthropic.claude-x/invoke"


def test_what_is_read_of_a_request() -> None:
    for dialect in (MESSAGES, OTHERS):
        assert isinstance(dialect, BedrockInvoke)
        kept: Dialect = dialect
        request = kept.parse(json_incoming(PATH + "-with-response-stream", BODY), BODY)
        assert (request.dialect, request.model, request.stream) == ("bedrock_invoke", "anthropic.claude-x", True)
        assert request.stream_type == b"application/vnd.amazon.eventstream"
        assert kept.upstream_body(request, BODY, "x") is request.body
        assert kept.upstream_body(request, {"a": 1}, "x") == b'{"a":1}'
        with pytest.raises(MalformedRequest):
            kept.parse(json_incoming(PATH, []), [])
    assert MESSAGES.parse(json_incoming(PATH, BODY), BODY).max_output_tokens == 9
    with pytest.raises(MalformedRequest, match="messages"):
        MESSAGES.parse(json_incoming(PATH, {}), {"messages": 1})


def test_texts_are_seen_as_what_they_are() -> None:
    said = [(each.role, each.kind, each.text) for each in MESSAGES.segments(BODY)]
    assert ("user", "text", "hello") in said
    assert "hello" in [each.text for each in OTHERS.segments({"prompt": "hello"})]
    assert "hello" in [each.text for each in OTHERS.answer_segments({"generation": "hello"})]
    answer = {"content": [{"type": "text", "text": "Sure."}], "stop_reason": "end_turn"}
    assert MESSAGES.answer_text(answer, []) == "Sure."
    assert MESSAGES.read_answer(answer) == MESSAGES.skim(orjson.dumps(answer))
    assert MESSAGES.strip_repeats(answer, set()) is answer


def test_streams_and_errors_are_in_frames() -> None:
    answer = {"type": "message", "content": [{"type": "text", "text": "Sure."}], "stop_reason": "end_turn"}
    data = MESSAGES.restream(answer)
    assert {name for name, _ in client_events(data)} == {"chunk"}
    reader = MESSAGES.stream_reader(stream_request(MESSAGES), None)
    assert reader.feed(data) + reader.finish() == data
    assert orjson.loads(MESSAGES.stream_transcript(reader.kept))["content"][0]["text"] == "Sure."
    assert orjson.loads(MESSAGES.error_body(Blocked("r"), ""))["__type"] == "ValidationException"
    assert client_events(MESSAGES.stream_error(Blocked("r"), ""))[0][0] == "validationException"


def test_a_stopped_stream_ends_as_far_as_anybody_knows_how() -> None:
    reader = MESSAGES.stream_reader(stream_request(MESSAGES), OpenScreen())
    assert {name for name, _ in client_events(MESSAGES.stream_block(reader))} == {"chunk"}
    other = OTHERS.stream_reader(stream_request(OTHERS), OpenScreen())
    ((kind, said),) = client_events(OTHERS.stream_block(other))
    assert (kind, said["message"][:7]) == ("validationException", "Blocked")


CHUNKS = BedrockInvoke(
    openai_chat.DIALECT, parses=True, suits=lambda said: b'"delta"' in said, otherwise=passthrough.DIALECT
)
ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 9, "n": 2}


def test_a_stream_that_is_not_in_the_form_of_its_request_is_read_as_what_nobody_knows() -> None:
    assert CHUNKS.parse(json_incoming(PATH, ASKED), ASKED).choices == 2
    odd = invoked({"choices": [{"index": 0, "message": {"content": "Sure."}, "stop_reason": None}]})
    for screen in (None, OpenScreen()):
        reader = CHUNKS.stream_reader(stream_request(CHUNKS), screen)
        told = reader.feed(b"".join(odd)) + reader.finish()
        assert opened(told) == opened(b"".join(odd))
        if screen is None:
            assert b"Sure." in CHUNKS.stream_transcript(reader.kept)
            assert "Sure." in CHUNKS.answer_text(None, reader.kept)
        ((kind, _),) = client_events(CHUNKS.stream_block(reader))
        assert kind == "validationException"


def test_a_stream_of_chunks_ends_without_the_mark_that_servers_of_events_send() -> None:
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    said = [
        {**head, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Sure."}, "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    ]
    reader = CHUNKS.stream_reader(stream_request(CHUNKS), None)
    data = b"".join(invoked(*said))
    assert reader.feed(data) + reader.finish() == data
    assert reader.facts.finish_reason == "stop"
    assert CHUNKS.answer_text(None, reader.kept) == "Sure."
    begun = CHUNKS.stream_reader(stream_request(CHUNKS), None)
    begun.feed(data[: len(invoked(said[0])[0])])
    assert {name for name, _ in client_events(CHUNKS.stream_block(begun))} == {"chunk"}
