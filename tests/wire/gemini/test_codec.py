"""The laws of the codec: what is written reads back the same, whole or streamed, and to the official client too."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.chat import ChatAnswer, ChatRequest, Media, Part, Thinking, ToolCall, ToolResult, Turn
from gateway.core.chat_events import ChatEvent
from gateway.core.codec import ChatCodec
from gateway.core.losses import Losses
from gateway.wire.gemini import DIALECT
from gateway.wire.gemini.codec import CODEC
from tests.support.conversations import answer_of, answers, conversations, events_of, formats, without_origin
from tests.support.gemini_streams import USAGE, candidate, event, said
from tests.support.streams import client_chunks, cut, cuttings

ASKED = ChatRequest(dialect="gemini", model="m", turns=(), thinking=Thinking(visible=True))
SIZES = st.lists(st.integers(1, 4), max_size=6)


def read(pieces: list[bytes]) -> list[ChatEvent]:
    reader = CODEC.reader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return [*events, *reader.finish()]


def stream(answer: ChatAnswer, sizes: list[int]) -> bytes:
    return CODEC.writer(ASKED).write(events_of(answer, sizes))


def spelled(part: Part) -> Part:
    """A part as this dialect can say it: arguments are an object, which has one spelling."""
    if isinstance(part, ToolCall):
        return msgspec.structs.replace(part, arguments=orjson.dumps(orjson.loads(part.arguments)).decode())
    if isinstance(part, Media) and part.url:
        # The address tells the type.
        return msgspec.structs.replace(part, media_type="image/png")
    if isinstance(part, ToolResult):
        return msgspec.structs.replace(part, document=None)
    return part


def request_of(chat: ChatRequest) -> ChatRequest:
    """A request as this dialect can say it: one turn for what one side says in a row."""
    turns: list[Turn] = []
    for turn in chat.turns:
        parts = tuple(spelled(part) for part in turn.parts)
        side = "assistant" if turn.role == "assistant" else "system" if turn.role == "system" else "user"
        last = turns[-1] if turns else None
        if last is not None and side != "system" and last.role in ({"user", "tool"} if side == "user" else {side}):
            parts = (*last.parts, *parts)
            turns.pop()
        only_results = all(isinstance(part, ToolResult) for part in parts)
        turns.append(Turn(role="tool" if side == "user" and only_results else side, parts=parts))
    return msgspec.structs.replace(chat, turns=tuple(turns), names={})


def answer_as_said(answer: ChatAnswer) -> ChatAnswer:
    choices = tuple(
        msgspec.structs.replace(choice, parts=tuple(spelled(part) for part in choice.parts))
        for choice in answer.choices
    )
    return msgspec.structs.replace(answer, created_s=0, choices=choices)


def test_codec_keeps_the_contract() -> None:
    codec: ChatCodec = CODEC
    assert codec.name == "gemini"
    usage = codec.read_usage(USAGE)
    assert usage is not None
    assert (usage.input_tokens, usage.reasoning_tokens) == (1000, 120)
    assert codec.read_error(429, {b"retry-after": b"3"}, {"error": {"message": "slow"}}).retry_after_s == 3


@given(conversations("gemini"), st.none() | formats())
@settings(max_examples=60)
def test_a_request_that_was_written_reads_back_the_same(chat: ChatRequest, wanted: Any) -> None:
    if wanted is not None:
        # A schema has no name here.
        wanted = msgspec.structs.replace(wanted, name="", strict=None)
    chat = msgspec.structs.replace(chat, format=wanted)
    losses = Losses({}, "gemini")
    wire = CODEC.write_request(chat, "m", losses)
    document = orjson.loads(orjson.dumps(wire.document))
    back = CODEC.read_request(document, "/v1beta" + wire.path)
    assert request_of(back) == request_of(chat)
    assert losses.fields == ()
    assert CODEC.write_request(back, "m", losses).document == document


@given(conversations("gemini"))
@settings(max_examples=40)
def test_the_official_types_take_what_is_written(chat: ChatRequest) -> None:
    document = orjson.loads(orjson.dumps(CODEC.write_request(chat, "m", Losses({}, "gemini")).document))
    for content in document["contents"]:
        assert types.Content.model_validate(content).parts
    for tool in document["tools"]:
        assert types.Tool.model_validate(tool).function_declarations
    types.GenerationConfig.model_validate(document["generationConfig"])
    assert list(DIALECT.segments(document))


@given(answers())
@settings(max_examples=60)
def test_an_answer_that_was_written_reads_back_the_same(answer: ChatAnswer) -> None:
    document = orjson.loads(orjson.dumps(CODEC.write_answer(answer, ASKED)))
    assert without_origin(CODEC.read_answer(document)) == answer_as_said(answer)


@given(answers(), SIZES, cuttings())
@settings(max_examples=60)
def test_a_stream_that_was_written_reads_back_the_same_however_it_is_cut(
    answer: ChatAnswer, sizes: list[int], marks: list[int]
) -> None:
    assert answer_of(read(cut(stream(answer, sizes), marks))) == answer_as_said(answer)


@given(answers(), SIZES)
@settings(max_examples=40)
def test_the_official_client_puts_a_stream_together_to_the_whole_answer(answer: ChatAnswer, sizes: list[int]) -> None:
    told = [types.GenerateContentResponse.model_validate(chunk) for chunk in client_chunks(stream(answer, sizes))]
    whole = types.GenerateContentResponse.model_validate(CODEC.write_answer(answer, ASKED))
    assert "".join(_text(chunk) for chunk in told) == _text(whole)
    assert "".join(_text(chunk, thought=True) for chunk in told) == _text(whole, thought=True)
    calls = [(call.name, call.args, call.id) for chunk in told for call in chunk.function_calls or ()]
    assert calls == [(call.name, call.args, call.id) for call in whole.function_calls or ()]
    assert told[-1].usage_metadata == whole.usage_metadata
    assert _finish(told[-1]) == _finish(whole)
    assert {chunk.response_id for chunk in told} == {whole.response_id}


def test_a_client_that_did_not_ask_for_thoughts_is_not_shown_any() -> None:
    silent = msgspec.structs.replace(ASKED, thinking=None)
    chunks = said("a")
    chunks[:0] = [event(candidate({"text": "mull", "thought": True}))]
    told = CODEC.writer(silent).write(read(chunks))
    assert b"mull" not in told
    assert b'"text":"a"' in told


def _parts(response: types.GenerateContentResponse) -> list[types.Part]:
    content = response.candidates[0].content if response.candidates else None
    return (content.parts if content is not None else None) or []


def _text(response: types.GenerateContentResponse, *, thought: bool = False) -> str:
    return "".join(part.text or "" for part in _parts(response) if bool(part.thought) is thought)


def _finish(response: types.GenerateContentResponse) -> Any:
    assert response.candidates
    return response.candidates[0].finish_reason
