"""The laws of the codec: what is written reads back the same, whole or streamed, and to the official client too."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from gateway.core.chat import ChatAnswer, ChatRequest
from gateway.core.chat_events import ChatEvent
from gateway.core.codec import ChatCodec
from gateway.core.losses import Losses
from gateway.wire.openai_chat.codec import CODEC
from tests.support.conversations import answer_of, answers, conversations, events_of, formats, without_origin
from tests.support.streams import client_chunks, cut, cuttings

ASKED = ChatRequest(dialect="openai_chat", model="m", turns=())
SIZES = st.lists(st.integers(1, 4), max_size=6)


def read(pieces: list[bytes]) -> list[ChatEvent]:
    reader = CODEC.reader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return [*events, *reader.finish()]


def stream(answer: ChatAnswer, sizes: list[int]) -> bytes:
    return CODEC.writer(ASKED).write(events_of(answer, sizes))


def test_codec_keeps_the_contract() -> None:
    codec: ChatCodec = CODEC
    assert codec.name == "openai_chat"
    usage = codec.read_usage({"prompt_tokens": 3, "completion_tokens": 2})
    assert usage is not None
    assert usage.input_tokens == 3
    assert codec.read_error(429, {b"retry-after": b"3"}, {"error": {"message": "slow"}}).retry_after_s == 3


@given(conversations("openai_chat"), st.none() | formats())
@settings(max_examples=60)
def test_a_request_that_was_written_reads_back_the_same(chat: ChatRequest, wanted: Any) -> None:
    chat = msgspec.structs.replace(chat, format=wanted)
    losses = Losses({}, "openai_chat")
    wire = CODEC.write_request(chat, "m", losses)
    document = orjson.loads(orjson.dumps(wire.document))
    back = CODEC.read_request(document, wire.path)
    assert msgspec.structs.replace(back, names={}) == chat
    assert losses.fields == ()
    assert CODEC.write_request(back, "m", losses).document == document


@given(answers())
@settings(max_examples=60)
def test_an_answer_that_was_written_reads_back_the_same(answer: ChatAnswer) -> None:
    document = orjson.loads(orjson.dumps(CODEC.write_answer(answer, ASKED)))
    assert without_origin(CODEC.read_answer(document)) == answer


@given(answers(), SIZES, cuttings())
@settings(max_examples=80)
def test_a_stream_that_was_written_reads_back_the_same_however_it_is_cut(
    answer: ChatAnswer, sizes: list[int], marks: list[int]
) -> None:
    assert answer_of(read(cut(stream(answer, sizes), marks))) == answer


@given(answers(), SIZES)
@settings(max_examples=60)
def test_the_official_client_puts_a_stream_together_to_the_whole_answer(answer: ChatAnswer, sizes: list[int]) -> None:
    state: Any = ChatCompletionStreamState()
    for chunk in client_chunks(stream(answer, sizes)):
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    told = state.current_completion_snapshot.to_dict()
    whole = ChatCompletion.model_validate(CODEC.write_answer(answer, ASKED)).to_dict()
    assert _plain(told) == _plain(whole)


def _plain(document: Any) -> Any:
    """Without what says nothing: nulls, empty texts, the numbers of a stream's calls."""
    if isinstance(document, dict):
        kept = {name: _plain(value) for name, value in document.items() if name not in ("parsed", "parsed_arguments")}
        if "function" in kept:
            kept.pop("index", None)
        return {name: value for name, value in kept.items() if value not in (None, "")}
    return [_plain(item) for item in document] if isinstance(document, list) else document
