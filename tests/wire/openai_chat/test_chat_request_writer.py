from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import ChatRequest, Opaque, Sampling, Text, Thinking, Tool, ToolChoice, Turn
from gateway.core.errors import UnsupportedField
from gateway.core.losses import Losses
from gateway.wire.openai_chat.chat_request_writer import write_request

TURNS = (Turn(role="user", parts=(Text(text="hi"),)),)


def write(model: str = "llama", policy: Any = "reject", **fields: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    chat = ChatRequest(**{"dialect": "elsewhere", "model": "m", "turns": TURNS, **fields})
    losses = Losses(chat.names, "openai_chat", policy)
    wire = write_request(chat, model, losses)
    assert wire.path == "/chat/completions"
    return wire.document, losses.fields


def test_a_small_request_stays_small() -> None:
    assert write() == ({"model": "llama", "messages": [{"role": "user", "content": "hi"}]}, ())


def test_a_stream_always_asks_for_its_usage() -> None:
    document, _ = write(stream=True, choices=2)
    assert (document["stream"], document["stream_options"], document["n"]) == (True, {"include_usage": True}, 2)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4o", "max_completion_tokens"),
        ("openai/gpt-5", "max_completion_tokens"),
        ("o3-mini", "max_completion_tokens"),
        ("ft:gpt-4o:acme", "max_completion_tokens"),
        ("gpt-oss-20b", "max_tokens"),
        ("llama-3.1-8b", "max_tokens"),
        ("olmo-2", "max_tokens"),
    ],
)
def test_the_limit_has_the_name_that_the_models_server_knows(model: str, name: str) -> None:
    assert write(model, sampling=Sampling(max_tokens=5))[0][name] == 5


def test_who_wrote_this_dialect_keeps_the_name_of_the_limit() -> None:
    document, _ = write(
        "gpt-4o",
        dialect="openai_chat",
        names={"sampling.max_tokens": "max_tokens"},
        sampling=Sampling(max_tokens=5, top_k=3),
    )
    assert (document["max_tokens"], document["top_k"]) == (5, 3)


def test_what_open_models_can_do_is_carried_to_them_only() -> None:
    assert write(sampling=Sampling(top_k=5, min_p=0.1))[0]["top_k"] == 5
    with pytest.raises(UnsupportedField) as raised:
        write("gpt-4o", sampling=Sampling(top_k=5))
    assert raised.value.param == "top_k"
    document, dropped = write("gpt-4o", "drop", sampling=Sampling(top_k=5, stop=("1", "2", "3", "4", "5")))
    assert dropped == ("top_k", "stop")
    assert document["stop"] == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("thinking", "effort", "dropped"),
    [
        (Thinking(effort="high"), "high", ()),
        (Thinking(budget_tokens=0), "none", ("budget_tokens",)),
        (Thinking(budget_tokens=1024), "low", ("budget_tokens",)),
        (Thinking(budget_tokens=8192), "medium", ("budget_tokens",)),
        (Thinking(budget_tokens=32000), "high", ("budget_tokens",)),
        (Thinking(budget_tokens=-1), None, ()),
        (Thinking(summary="auto"), None, ("summary",)),
    ],
)
def test_thinking_is_said_in_words(thinking: Thinking, effort: str | None, dropped: tuple[str, ...]) -> None:
    document, fields = write(thinking=thinking)
    assert (document.get("reasoning_effort"), fields) == (effort, dropped)


def test_tools_and_their_choice_are_written() -> None:
    tools = (Tool(name="a", schema={}, strict=True), Tool(name="b", description="d", custom=True, format={"t": 1}))
    document, _ = write(tools=tools, tool_choice=ToolChoice(mode="required", names=("b",)), parallel_tools=False)
    assert document["tools"] == [
        {"type": "function", "function": {"name": "a", "parameters": {}, "strict": True}},
        {"type": "custom", "custom": {"name": "b", "description": "d", "format": {"t": 1}}},
    ]
    assert document["tool_choice"] == {"type": "custom", "custom": {"name": "b"}}
    assert document["parallel_tool_calls"] is False
    several = ToolChoice(names=("a", "b"))
    chosen = write(tools=tools, tool_choice=several)[0]["tool_choice"]
    assert chosen["allowed_tools"]["mode"] == "auto"
    assert write(tools=tools, tool_choice=ToolChoice(mode="none"))[0]["tool_choice"] == "none"


def test_a_tool_of_another_provider_is_named() -> None:
    search = Tool(opaque=Opaque(dialect="elsewhere", kind="web_search", document={}))
    with pytest.raises(UnsupportedField) as raised:
        write(tools=(search,))
    assert raised.value.param == "tools"
    own = Tool(opaque=Opaque(dialect="openai_chat", kind="x", document={"type": "x"}))
    assert write(tools=(own,))[0]["tools"] == [{"type": "x"}]


def test_labels_are_carried_or_left_out_without_harm() -> None:
    document, dropped = write(user="u", metadata={"k": "v"}, service_tier="standard_only", store=False)
    assert (document["user"], document["store"], dropped) == ("u", False, ("metadata", "service_tier"))
    document, dropped = write(metadata={"k": "v"}, service_tier="flex", store=True)
    assert (document["metadata"], document["service_tier"], dropped) == ({"k": "v"}, "flex", ())


def test_fields_of_another_dialect_are_losses() -> None:
    with pytest.raises(UnsupportedField) as raised:
        write(extras={"container": "c"})
    assert raised.value.param == "container"
    assert write(policy="drop", extras={"container": "c", "prompt_cache_key": "k"})[1] == (
        "container",
        "prompt_cache_key",
    )
    document, dropped = write(dialect="openai_responses", extras={"verbosity": "low", "prompt_cache_key": "k"})
    assert (document["verbosity"], document["prompt_cache_key"], dropped) == ("low", "k", ())
    with pytest.raises(UnsupportedField):
        write(previous="resp_1")
