from __future__ import annotations

import msgspec
import pytest

from gateway.core.chat import ChatRequest, Sampling, Text, Turn
from gateway.core.chat_events import Began, Ended, Said
from gateway.core.codec import ChatCodec
from gateway.core.losses import Losses
from gateway.wire.triton.codec import CODEC, TritonCodec
from gateway.wire.triton.templates import built_in


def test_codec_keeps_the_contract() -> None:
    codec: ChatCodec = CODEC
    chat = codec.read_request({"text_input": "hi", "temperature": 0.5}, "/v2/models/m/generate")
    assert chat == ChatRequest(
        dialect="triton",
        model="m",
        turns=(Turn(role="user", parts=(Text(text="hi"),)),),
        sampling=Sampling(temperature=0.5),
        names=chat.names,
    )
    wire = codec.write_request(msgspec.structs.replace(chat, stream=True), "n", Losses({}, codec.name))
    assert wire.path.endswith("/generate_stream")
    answer = codec.read_answer({"model_name": "m", "text_output": "x"})
    assert codec.write_answer(answer, chat)["text_output"] == "x"
    assert codec.read_error(404, {}, {"error": "no such model"}).status == 404
    assert codec.read_usage({}) is None
    written = codec.writer(chat).write([Began(id="", model="m"), Said(choice=0, text="x"), Ended()])
    assert b'"text_output":"x"' in written
    assert any(isinstance(event, Said) for event in codec.reader().feed(written))


@pytest.mark.parametrize("name", ["llama-3", "mistral"])
def test_each_deployment_has_its_template(name: str) -> None:
    chat = ChatRequest(dialect="openai_chat", model="m", turns=(Turn(role="user", parts=(Text(text="hi"),)),))
    wire = TritonCodec(built_in(name)).write_request(chat, "m", Losses({}, "triton"))
    assert wire.document["stop_words"] == list(built_in(name).stop)
