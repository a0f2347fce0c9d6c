from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import (
    ChatRequest,
    Media,
    OutputFormat,
    Reasoning,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from gateway.core.errors import MalformedRequest, UnsupportedField
from gateway.core.losses import Losses
from gateway.wire.triton.chat_request import DEFAULT_MAX_TOKENS, read_request, write_request
from gateway.wire.triton.templates import built_in

TEMPLATE = built_in("chatml")
HI = Turn(role="user", parts=(Text(text="hi"),))


def written(chat: ChatRequest, losses: Losses | None = None) -> dict[str, Any]:
    return write_request(chat, losses or Losses(chat.names, "triton"), TEMPLATE).document


def test_a_conversation_becomes_one_text_and_its_sampling_tensors() -> None:
    chat = ChatRequest(
        dialect="openai_chat",
        model="m",
        turns=(Turn(role="developer", parts=(Text(text="Be brief."),)), HI),
        stream=True,
        sampling=Sampling(max_tokens=7, temperature=0.5, top_p=0.9, top_k=40, seed=3, stop=("END",)),
    )
    wire = write_request(chat, Losses({}, "triton"), TEMPLATE)
    assert wire.path == "/v2/models/{model}/generate_stream"
    assert wire.document == {
        "text_input": "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n"
        "<|im_start|>assistant\n",
        "max_tokens": 7,
        "stream": True,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "random_seed": 3,
        "stop_words": ["<|im_end|>", "END"],
    }


def test_there_is_always_a_limit() -> None:
    assert written(ChatRequest(dialect="openai_chat", model="m", turns=(HI,)))["max_tokens"] == DEFAULT_MAX_TOKENS


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"choices": 2}, "choices"),
        ({"tools": (Tool(name="t"),)}, "tools"),
        ({"format": OutputFormat(kind="json")}, "format"),
        ({"sampling": Sampling(logprobs=True)}, "logprobs"),
        ({"sampling": Sampling(logit_bias={"1": 1.0})}, "logit_bias"),
        ({"modalities": ("text", "audio")}, "modalities"),
        ({"previous": "resp_1"}, "previous"),
        ({"extras": {"web_search_options": {}}}, "web_search_options"),
        ({"turns": (Turn(role="user", parts=(Media(kind="image", url="https://x.example/a"),)),)}, "turns"),
    ],
)
def test_what_has_no_place_is_refused_by_name_or_named(more: dict[str, Any], name: str) -> None:
    chat = ChatRequest(**{"dialect": "openai_chat", "model": "m", "turns": (HI,), **more})
    with pytest.raises(UnsupportedField) as refused:
        written(chat)
    assert refused.value.param == name
    losses = Losses({}, "triton", "drop")
    written(chat, losses)
    assert losses.fields == (name,)


def test_what_harms_nobody_is_left_out() -> None:
    past = Turn(role="assistant", parts=(Reasoning(text="hm"), ToolCall(id="1", name="add", arguments='{"a":1}')))
    back = Turn(role="user", parts=(ToolResult(call_id="1", parts=(Text(text="4"),)),))
    chat = ChatRequest(
        dialect="openai_chat",
        model="m",
        turns=(HI, past, back),
        tools=(Tool(name="add"),),
        tool_choice=ToolChoice(mode="none"),
        thinking=Thinking(effort="low"),
        user="u",
    )
    losses = Losses({}, "triton")
    text = written(chat, losses)["text_input"]
    assert '<|im_start|>assistant\n{"name": "add", "arguments": {"a":1}}<|im_end|>' in text
    assert "<|im_start|>tool\n4<|im_end|>" in text
    assert set(losses.fields) == {"thinking", "user"}


def test_a_generate_request_is_a_conversation_of_one_turn() -> None:
    document = {
        "id": "7", "text_input": ["hi"], "max_tokens": [[5]], "bad_words": [""], "stop_words": ["END", ""],
        "random_seed": 2, "parameters": {"temperature": 0}, "return_log_probs": False,
    }  # fmt: skip
    chat = read_request(document, "/v2/models/m/generate_stream")
    assert chat.turns == (HI,)
    assert chat.model == "m"
    assert chat.stream
    assert chat.sampling == Sampling(max_tokens=5, temperature=0, seed=2, stop=("END",))
    assert chat.extras == {}
    assert read_request({"text_input": "x", "lora": "mine"}, "/v2/models/m/generate").extras == {"lora": "mine"}


@pytest.mark.parametrize(
    ("document", "param"),
    [([], None), ({}, "text_input"), ({"text_input": ["a", "b"]}, "text_input"),
     ({"text_input": "x", "top_k": "y"}, "top_k"),
     ({"text_input": "x", "temperature": "y"}, "temperature")],
)  # fmt: skip
def test_what_cannot_be_read_names_the_field(document: Any, param: str | None) -> None:
    with pytest.raises(MalformedRequest) as refused:
        read_request(document, "/v2/models/m/generate")
    assert refused.value.param == param
