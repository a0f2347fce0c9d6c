from __future__ import annotations

from typing import Any

import orjson
from openai.types.chat import ChatCompletionChunk

from gateway.core.chat import Citation, Opaque, TokenLogprob
from gateway.core.chat_events import Argued, Began, Called, Ended, Finished, Foreign, Refused, Said, Thought
from gateway.core.usage import Usage
from gateway.wire.openai_chat.chat_stream_writer import ChatEventWriter
from tests.support.streams import client_chunks

BEGAN = Began(id='a"1', model="m", created_s=5, service_tier="flex", fingerprint="fp")


def write(*events: Any) -> list[dict[str, Any]]:
    writer = ChatEventWriter()
    data = b"".join(writer.write([event]) for event in events)
    assert data == ChatEventWriter().write(events)
    chunks = client_chunks(data)
    for chunk in chunks:
        # The client's types know no calls with free text in streams; it reads them all the same.
        if '"custom"' not in str(orjson.dumps(chunk)):
            ChatCompletionChunk.model_validate(chunk)
    return chunks


def deltas(*events: Any) -> list[Any]:
    return [chunk["choices"][0]["delta"] for chunk in write(BEGAN, *events) if chunk["choices"]]


def test_a_stream_is_written_as_a_provider_would() -> None:
    chunks = write(BEGAN, Said(choice=0, text="é"), Finished(choice=0, finish="stop"), Ended(usage=Usage(3, 0, 0, 2)))
    envelope = {
        "id": 'a"1', "created": 5, "model": "m", "service_tier": "flex", "system_fingerprint": "fp",
        "object": "chat.completion.chunk",
    }  # fmt: skip
    choice = {"index": 0, "logprobs": None, "finish_reason": None}
    assert chunks[:3] == [
        {**envelope, "choices": [{**choice, "delta": {"role": "assistant", "content": ""}}]},
        {**envelope, "choices": [{**choice, "delta": {"content": "é"}}]},
        {**envelope, "choices": [{**choice, "delta": {}, "finish_reason": "stop"}]},
    ]
    assert (chunks[3]["choices"], chunks[3]["usage"]["total_tokens"]) == ([], 5)


def test_the_end_comes_last_and_once() -> None:
    writer = ChatEventWriter()
    assert writer.write([BEGAN]) == b""
    assert writer.write([Ended()]) == b"data: [DONE]\n\n"


def test_calls_are_numbered_and_named_once() -> None:
    told = deltas(
        Called(choice=0, call=0, id="", name="f"),
        Argued(choice=0, call=0, arguments='{"a'),
        Called(choice=0, call=1, id="c2", name="sh", custom=True),
        Argued(choice=0, call=1, arguments="ls"),
    )
    function = {"name": "f", "arguments": ""}
    assert told[1:3] == [
        {"tool_calls": [{"index": 0, "id": "call_a1_0", "type": "function", "function": function}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a'}}]},
    ]
    custom = {"name": "sh", "input": ""}
    assert told[3:] == [
        {"tool_calls": [{"index": 1, "id": "c2", "type": "custom", "custom": custom}]},
        {"tool_calls": [{"index": 1, "custom": {"input": "ls"}}]},
    ]


def test_what_only_this_dialect_can_say_is_said() -> None:
    likely = (TokenLogprob(token="a", logprob=-1.0),)
    cited = (Citation(kind="url", url="u", start=0, end=1),)
    chunks = write(
        BEGAN,
        Said(choice=0, text="a", logprobs=likely),
        Said(choice=0, text="b", citations=cited),
        Said(choice=0, text="", citations=cited),
    )
    assert chunks[1]["choices"][0]["logprobs"]["content"][0]["token"] == "a"
    assert chunks[2]["choices"][0]["delta"]["annotations"][0]["url_citation"]["start_index"] == 1
    assert chunks[3]["choices"][0]["delta"]["annotations"][0]["url_citation"]["start_index"] == 0


def test_seals_and_pieces_of_other_dialects_are_left_out() -> None:
    foreign = Foreign(choice=0, piece=Opaque(dialect="x", kind="k", document={}))
    assert deltas(Thought(choice=0, signature="s"), foreign) == []
    assert deltas(Thought(choice=0, text="hm"))[1:] == [{"reasoning_content": "hm"}]


def test_a_refusal_with_words_ends_like_any_text() -> None:
    spoken = write(BEGAN, Refused(choice=0, text="no"), Finished(choice=0, finish="refusal"))
    assert spoken[-1]["choices"][0]["finish_reason"] == "stop"
    silent = write(BEGAN, Finished(choice=0, finish="refusal"))
    assert silent[-1]["choices"][0]["finish_reason"] == "content_filter"


def test_choices_keep_their_numbers() -> None:
    chunks = write(BEGAN, Said(choice=0, text="a"), Said(choice=1, text="b"))
    assert [chunk["choices"][0]["index"] for chunk in chunks] == [0, 0, 1, 1]
