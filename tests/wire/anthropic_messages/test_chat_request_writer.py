from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import ChatRequest as Chat
from gateway.core.chat import Opaque, OutputFormat, Sampling, Text, Thinking, Tool, ToolChoice, Turn
from gateway.core.errors import UnsupportedField
from gateway.core.losses import Losses
from gateway.wire.anthropic_messages.chat_request_writer import PATH, write_request
from gateway.wire.openai_chat.codec import CODEC as OPENAI

TURNS = (Turn(role="user", parts=(Text(text="hi"),)),)
TOOLS = (Tool(name="a", schema={"properties": {}}), Tool(name="b", description="B", strict=True))


def chat(**fields: Any) -> Chat:
    return Chat(**{"dialect": "openai_chat", "model": "m", "turns": TURNS, **fields})


def written(asked: Chat, model: str = "claude-haiku-4-5", losses: Losses | None = None) -> dict[str, Any]:
    return write_request(asked, model, losses or Losses({}, "anthropic_messages")).document


def test_the_smallest_request() -> None:
    wire = write_request(chat(), "claude-haiku-4-5", Losses({}, "x"))
    assert (wire.path, wire.headers) == (PATH, {b"anthropic-version": b"2023-06-01"})
    assert wire.document == {
        "model": "claude-haiku-4-5",
        "max_tokens": 32_000,
        "messages": [{"role": "user", "content": "hi"}],
    }


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        ("claude-3-haiku-20240307", 4_096),
        ("claude-3-5-sonnet-latest", 8_192),
        ("anthropic/claude-opus-4-5", 32_000),
        ("llama", 4_096),
    ],
)
def test_a_limit_is_made_where_there_is_none(model: str, limit: int) -> None:
    assert written(chat(), model)["max_tokens"] == limit
    assert written(chat(sampling=Sampling(max_tokens=7)), model)["max_tokens"] == 7


def test_tools() -> None:
    document = written(chat(tools=TOOLS))
    assert document["tools"] == [
        {"name": "a", "input_schema": {"type": "object", "properties": {}}},
        {"name": "b", "description": "B", "input_schema": {"type": "object", "properties": {}}, "strict": True},
    ]
    assert "tool_choice" not in document


@pytest.mark.parametrize(
    ("choice", "parallel", "written_as", "offered"),
    [
        (ToolChoice(), None, {"type": "auto"}, "ab"),
        (ToolChoice(mode="required"), None, {"type": "any"}, "ab"),
        (ToolChoice(mode="none"), False, {"type": "none"}, "ab"),
        (ToolChoice(mode="required", names=("a",)), None, {"type": "tool", "name": "a"}, "ab"),
        (ToolChoice(mode="required", names=("a", "b")), None, {"type": "any"}, "ab"),
        (ToolChoice(mode="auto", names=("b",)), None, {"type": "auto"}, "b"),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}, "ab"),
        (None, True, None, "ab"),
    ],
)
def test_choices(choice: ToolChoice | None, parallel: bool | None, written_as: Any, offered: str) -> None:
    document = written(chat(tools=TOOLS, tool_choice=choice, parallel_tools=parallel))
    assert document.get("tool_choice") == written_as
    assert "".join(tool["name"] for tool in document["tools"]) == offered


def test_a_choice_without_tools_is_not_written() -> None:
    assert "tool_choice" not in written(chat(tool_choice=ToolChoice(mode="none")))


@pytest.mark.parametrize(
    ("model", "thinking", "document", "config"),
    [
        ("claude-sonnet-4-5", Thinking(effort="medium"), {"type": "enabled", "budget_tokens": 8_192}, None),
        ("claude-3-7-sonnet", Thinking(effort="minimal"), {"type": "enabled", "budget_tokens": 1_024}, None),
        ("claude-opus-4-6", Thinking(effort="minimal"), {"type": "adaptive"}, {"effort": "low"}),
        ("claude-opus-5", Thinking(effort="xhigh"), {"type": "adaptive"}, {"effort": "xhigh"}),
        ("claude-opus-5", Thinking(effort="none"), {"type": "disabled"}, None),
        (
            "claude-haiku-4-5",
            Thinking(budget_tokens=-1, visible=False),
            {"type": "adaptive", "display": "omitted"},
            None,
        ),
        ("claude-haiku-4-5", Thinking(budget_tokens=5), {"type": "enabled", "budget_tokens": 1_024}, None),
    ],
)
def test_thinking(model: str, thinking: Thinking, document: Any, config: Any) -> None:
    got = written(chat(thinking=thinking), model)
    assert got["thinking"] == document
    assert got.get("output_config") == config


def test_thought_fits_into_the_limit_or_is_left_out() -> None:
    asked = chat(thinking=Thinking(effort="high"), sampling=Sampling(max_tokens=2_000))
    assert written(asked)["thinking"] == {"type": "enabled", "budget_tokens": 1_999}
    losses = Losses({}, "x")
    short = chat(thinking=Thinking(effort="high"), sampling=Sampling(max_tokens=500))
    assert "thinking" not in written(short, losses=losses)
    assert losses.fields == ("thinking",)
    free = written(chat(thinking=Thinking(budget_tokens=40_000)))
    assert free["max_tokens"] > free["thinking"]["budget_tokens"] == 40_000


LOST: list[tuple[dict[str, Any], str]] = [
    ({"sampling": Sampling(seed=1)}, "seed"),
    ({"sampling": Sampling(frequency_penalty=0.5)}, "frequency_penalty"),
    ({"sampling": Sampling(logprobs=True)}, "logprobs"),
    ({"sampling": Sampling(logit_bias={"1": 2.0})}, "logit_bias"),
    ({"sampling": Sampling(temperature=1.5)}, "temperature"),
    ({"sampling": Sampling(temperature=0.5), "thinking": Thinking(effort="low")}, "temperature"),
    ({"choices": 2}, "choices"),
    ({"format": OutputFormat(kind="json")}, "format"),
    ({"modalities": ("text", "audio")}, "modalities"),
    ({"store": True}, "store"),
    ({"previous": "resp_1"}, "previous"),
    ({"extras": {"prediction": {}}}, "prediction"),
    ({"tools": (Tool(name="c", custom=True),)}, "tools"),
    ({"tools": (Tool(opaque=Opaque(dialect="openai_responses", kind="web_search", document={})),)}, "tools"),
]


@pytest.mark.parametrize(("fields", "name"), LOST)
def test_what_has_no_place_is_refused_by_name_or_dropped(fields: dict[str, Any], name: str) -> None:
    with pytest.raises(UnsupportedField) as caught:
        written(chat(**fields))
    assert caught.value.param == name
    losses = Losses({}, "x", "drop")
    document = written(chat(**fields), losses=losses)
    assert losses.fields == (name,)
    assert not {name, "tools"} & document.keys()


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"sampling": Sampling(frequency_penalty=0, logprobs=False, repetition_penalty=1, top_logprobs=0)}, ()),
        ({"store": False}, ("store",)),
        ({"metadata": {"a": "b"}}, ("metadata",)),
        ({"service_tier": "flex"}, ("service_tier",)),
        ({"extras": {"prompt_cache_key": "k"}}, ("prompt_cache_key",)),
        ({"format": OutputFormat(kind="schema", schema={}, description="d")}, ("description",)),
        ({"format": OutputFormat()}, ()),
        ({"modalities": ("text",)}, ()),
    ],
)
def test_what_harms_nobody_is_left_out_without_asking(fields: dict[str, Any], names: tuple[str, ...]) -> None:
    losses = Losses({}, "x")
    written(chat(**fields), losses=losses)
    assert losses.fields == names


def test_labels_and_sampling() -> None:
    sampling = Sampling(temperature=1, top_p=0.9, top_k=3, stop=("E",))
    document = written(chat(user="u", service_tier="default", sampling=sampling, stream=True))
    assert document["metadata"] == {"user_id": "u"}
    assert document["service_tier"] == "standard_only"
    assert (document["temperature"], document["top_p"], document["top_k"]) == (1, 0.9, 3)
    assert (document["stop_sequences"], document["stream"]) == (["E"], True)


def test_a_request_of_openais_clients() -> None:
    asked = OPENAI.read_request(
        {
            "model": "gpt-4o",
            "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": [
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]},
                {"role": "assistant", "content": None, "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "t", "arguments": '{"a": 1}'}}]},
                {"role": "tool", "tool_call_id": "call_1", "content": "r"},
            ],
            "tools": [{"type": "function", "function": {"name": "t", "parameters": {"type": "object"}}}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
            "max_completion_tokens": 9,
        },
        "",
    )  # fmt: skip
    assert written(asked) == {
        "model": "claude-haiku-4-5",
        "max_tokens": 9,
        "system": [{"type": "text", "text": "Be kind."}],
        "messages": [
            {
                "role": "user",
                "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}],
            },
            {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1", "name": "t", "input": {"a": 1}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "r"}]},
        ],
        "tools": [{"name": "t", "input_schema": {"type": "object"}}],
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
    }
