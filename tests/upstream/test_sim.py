from __future__ import annotations

import asyncio
import base64
import math
import struct
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.upstream.sim import BURST, SimProvider
from gateway.upstream.sim_answers import MODELS
from tests.support.sinks import KeepingSink

CHAT, COMPLETIONS = "/chat/completions", "/completions"
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"properties": {"q": {"type": "string"}}}}}


async def heard(provider: SimProvider, path: str, body: bytes) -> KeepingSink:
    sink = KeepingSink()
    provider.send(path, body, sink)
    assert not sink.status, "nothing is said before the caller has got its handle"
    await asyncio.wait_for(sink.done.wait(), 10)
    assert (sink.ended, sink.error) == (1, None)
    return sink


def ask(path: str, document: Any) -> KeepingSink:
    async def main() -> KeepingSink:
        return await heard(SimProvider(), path, orjson.dumps(document))

    return asyncio.run(main())


def chat(text: str = "one two three", **more: Any) -> dict[str, Any]:
    return {"model": "sim/echo", "messages": [{"role": "user", "content": text}], **more}


def test_a_whole_answer_counts_words_as_tokens():
    sink = ask(CHAT, chat("one two three"))
    assert (sink.status, sink.headers[b"content-type"]) == (200, b"application/json")
    document = sink.document
    assert document["object"] == "chat.completion"
    assert document["model"] == "sim/echo"
    (choice,) = document["choices"]
    assert choice["message"] == {"role": "assistant", "content": "one two three", "refusal": None}
    assert (choice["finish_reason"], choice["logprobs"]) == ("stop", None)
    assert document["usage"] == {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}


def test_a_stream_says_the_same_word_by_word():
    sink = ask(CHAT, chat("one two three", stream=True, stream_options={"include_usage": True}))
    assert sink.headers[b"content-type"].startswith(b"text/event-stream")
    *chunks, usage = sink.chunks
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas == [
        {"role": "assistant", "content": ""},
        {"content": "one"},
        {"content": " two"},
        {"content": " three"},
        {},
    ]
    assert [chunk["usage"] for chunk in chunks] == [None] * 5
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert (usage["choices"], usage["usage"]["total_tokens"]) == ([], 6)


def test_usage_is_streamed_only_when_it_was_asked_for():
    assert all("usage" not in chunk for chunk in ask(CHAT, chat(stream=True)).chunks)


@pytest.mark.parametrize("stream", [False, True])
def test_n_answers_are_given_and_counted(stream: bool):
    sink = ask(CHAT, chat("one two", n=3, stream=stream, stream_options={"include_usage": True}))
    if not stream:
        assert [choice["index"] for choice in sink.document["choices"]] == [0, 1, 2]
        assert sink.document["usage"]["completion_tokens"] == 6
        return
    texts = ["", "", ""]
    for chunk in sink.chunks:
        for choice in chunk["choices"]:
            texts[choice["index"]] += choice["delta"].get("content", "")
    assert texts == ["one two"] * 3
    assert sink.chunks[-1]["usage"]["completion_tokens"] == 6


@pytest.mark.parametrize("wanted", [0, -1, 129, "3", None])
def test_an_impossible_n_is_one(wanted: Any):
    assert len(ask(CHAT, chat(n=wanted)).document["choices"]) == 1


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_limit_cuts_the_answer_and_says_so(field: str, stream: bool):
    sink = ask(CHAT, chat("one two three", stream=stream, **{field: 2}))
    if stream:
        assert sink.chunks[-1]["choices"][0]["finish_reason"] == "length"
        assert "".join(c["choices"][0]["delta"].get("content", "") for c in sink.chunks) == "one two"
    else:
        assert sink.document["choices"][0]["finish_reason"] == "length"
        assert sink.document["choices"][0]["message"]["content"] == "one two"


def test_log_probabilities_repeat_the_tokens():
    whole = ask(CHAT, chat("one two", logprobs=True)).document
    assert [each["token"] for each in whole["choices"][0]["logprobs"]["content"]] == ["one", " two"]
    assert bytes(whole["choices"][0]["logprobs"]["content"][1]["bytes"]) == b" two"
    streamed = ask(CHAT, chat("one two", logprobs=True, stream=True)).chunks
    tokens = [c["choices"][0]["logprobs"]["content"][0]["token"] for c in streamed[1:-1]]
    assert tokens == ["one", " two"]


def test_a_tool_call_is_whole_or_streamed_in_pieces():
    (choice,) = ask(CHAT, chat(tools=[TOOL])).document["choices"]
    (call,) = choice["message"]["tool_calls"]
    assert (choice["message"]["content"], choice["finish_reason"]) == (None, "tool_calls")
    assert call["function"] == {"name": "look", "arguments": '{"q":"text"}'}
    deltas = [c["choices"][0]["delta"] for c in ask(CHAT, chat(tools=[TOOL], stream=True)).chunks]
    streamed = [each for delta in deltas for each in delta.get("tool_calls", [])]
    assert [each.get("id") for each in streamed] == ["call_sim_0001", None]
    assert "".join(each["function"]["arguments"] for each in streamed) == '{"q":"text"}'


def test_a_schema_for_the_answer_is_kept():
    schema = {"type": "object", "properties": {"n": {"type": "integer"}, "ok": {"type": "boolean"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    answer = ask(CHAT, chat(response_format=wanted)).document["choices"][0]["message"]["content"]
    assert orjson.loads(answer) == {"n": 0, "ok": False}
    plain = ask(CHAT, chat(response_format={"type": "json_object"})).document
    assert plain["choices"][0]["message"]["content"] == "{}"


def test_completions_have_their_own_shape():
    whole = ask(COMPLETIONS, {"model": "sim/echo", "prompt": "a b"}).document
    assert (whole["object"], whole["choices"][0]["text"]) == ("text_completion", "a b")
    chunks = ask(COMPLETIONS, {"model": "sim/echo", "prompt": "a b", "stream": True}).chunks
    assert [c["choices"][0]["text"] for c in chunks] == ["a", " b", ""]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_embeddings_are_unit_vectors_in_both_encodings():
    document = {"model": "sim/embed", "input": ["red car", "blue sky"], "dimensions": 32}
    plain = ask("/embeddings", document).document
    assert [each["index"] for each in plain["data"]] == [0, 1]
    assert plain["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
    for each in plain["data"]:
        assert len(each["embedding"]) == 32
        assert math.isclose(sum(x * x for x in each["embedding"]), 1.0)
    encoded = ask("/embeddings", {**document, "encoding_format": "base64"}).document
    for one, other in zip(plain["data"], encoded["data"], strict=True):
        assert struct.unpack("<32f", base64.b64decode(other["embedding"])) == pytest.approx(one["embedding"], abs=1e-6)


def test_models_are_listed():
    assert [each["id"] for each in ask("/models", {}).document["data"]] == list(MODELS)


@pytest.mark.parametrize(
    ("path", "document", "status", "code"),
    [
        (CHAT, chat(model="sim/error?status=503"), 503, "sim_error"),
        (CHAT, chat(model="sim/error?status=503", stream=True), 503, "sim_error"),
        (CHAT, chat(model="sim/nothing"), 404, "model_not_found"),
        ("/embeddings", {"model": "sim/echo", "input": "x"}, 404, "model_not_found"),
        ("/images", {}, 404, "not_found"),
        (CHAT, {"messages": []}, 404, "model_not_found"),
        ("/embeddings", {"model": 5}, 404, "model_not_found"),
    ],
)
def test_errors_have_a_status_and_openai_s_shape(path: str, document: Any, status: int, code: str):
    sink = ask(path, document)
    assert sink.status == status
    assert sink.document["error"]["code"] == code


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ["messages", "prompt", "input", "tools", "tool_choice", "response_format", "n", "stream_options", "max_tokens"]
ODD = st.fixed_dictionaries(
    {"model": st.sampled_from(["sim/echo", "sim/lorem?tokens=3", "sim/embed", 5, None])},
    optional={**dict.fromkeys(FIELDS, JSON), "stream": st.booleans(), "dimensions": JSON},
)
BODIES = st.one_of(st.binary(max_size=30), JSON.map(orjson.dumps), ODD.map(orjson.dumps))


@settings(max_examples=150)
@given(st.sampled_from([CHAT, COMPLETIONS, "/embeddings", "/models", "/x?y"]), BODIES)
def test_any_body_is_answered_and_the_answer_ends(path: str, body: bytes):
    async def main() -> None:
        sink = await heard(SimProvider(), path, body)
        assert sink.status in {200, 400, 404}
        assert sink.chunks if sink.headers[b"content-type"].startswith(b"text/event") else sink.document

    asyncio.run(main())


async def lorem(provider: SimProvider, sink: KeepingSink, tokens: int) -> Any:
    document = {"model": f"sim/lorem?tokens={tokens}", "messages": [], "stream": True}
    call = provider.send(CHAT, orjson.dumps(document), sink)
    while not sink.parts:
        await asyncio.sleep(0)
    return call


def test_a_paused_stream_says_nothing_until_it_is_resumed():
    async def main() -> None:
        sink = KeepingSink()
        call = await lorem(SimProvider(), sink, 4 * BURST)
        call.pause()
        held = len(sink.parts)
        for _ in range(50):
            await asyncio.sleep(0)
        assert held <= len(sink.parts) <= held + 1
        call.resume()
        await asyncio.wait_for(sink.done.wait(), 20)
        assert "".join(c["choices"][0]["delta"].get("content", "") for c in sink.chunks).count(" ") == 4 * BURST - 1

    asyncio.run(main())


def test_a_cancelled_stream_says_nothing_more():
    async def main() -> None:
        provider, sink = SimProvider(), KeepingSink()
        call = await lorem(provider, sink, 1000)
        call.cancel()
        held = len(sink.parts)
        for _ in range(200):
            await asyncio.sleep(0)
        assert (len(sink.parts), sink.ended, sink.error) == (held, 0, None)

    asyncio.run(main())


def test_closing_stops_every_answer():
    async def main() -> None:
        provider = SimProvider()
        sinks = [KeepingSink() for _ in range(3)]
        for sink in sinks:
            await lorem(provider, sink, 100_000)
        before = asyncio.all_tasks()
        await provider.close()
        assert asyncio.all_tasks() < before
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert [sink.ended for sink in sinks] == [0, 0, 0]

    asyncio.run(main())


def test_a_long_stream_lets_others_run():
    async def main() -> None:
        sink = KeepingSink()
        await lorem(SimProvider(), sink, 2000)
        turns = 0
        while not sink.done.is_set():
            await asyncio.sleep(0)
            turns += 1
        assert turns >= 2000 // BURST

    asyncio.run(main())


def test_a_delay_is_kept_between_tokens():
    async def main() -> None:
        sink = KeepingSink()
        loop = asyncio.get_running_loop()
        started = loop.time()
        document = {"model": "sim/lorem?tokens=4&delay_ms=5", "messages": [], "stream": True}
        SimProvider().send(CHAT, orjson.dumps(document), sink)
        await asyncio.wait_for(sink.done.wait(), 20)
        assert loop.time() - started >= 0.02

    asyncio.run(main())
