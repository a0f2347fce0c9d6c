"""Counts of requests, against the prompt tokens that OpenAI's API reported for the same ones."""

from __future__ import annotations

import functools
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounting.chat_tokens import Counted, is_legacy, to_count, vendor_of
from gateway.clients.tokenizers import load_encoding
from gateway.core.chat import ChatRequest, Text, ToolCall, ToolResult, Turn
from gateway.wire.bridge import CODECS

encoding_called = functools.cache(load_encoding)
HELLO = {"role": "user", "content": "hello"}
WEATHER: dict[str, Any] = {
    "messages": [
        {
            "role": "system",
            "content": "You are a helpful assistant that can answer to questions about the weather.",
        },
        {"role": "user", "content": "What's the weather like in San Francisco?"},
    ],
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "get_current_weather",
                "description": "Get the current weather in a given location",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "location": {
                            "type": "string",
                            "description": "The city and state, e.g. San Francisco, CA",
                        },
                        "unit": {
                            "type": "string",
                            "description": "The unit of temperature to return",
                            "enum": ["celsius", "fahrenheit"],
                        },
                    },
                    "required": ["location"],
                },
            },
        }
    ],
}


def tokens(document: dict[str, Any], encoding: str = "cl100k_base") -> int:
    chat = CODECS["openai_chat"].read_request({"model": "gpt-4", **document}, "/v1/chat/completions")
    return added(to_count(chat, "openai", "gpt-4", legacy=is_legacy(document)), encoding)


def added(counted: Counted, encoding: str = "cl100k_base") -> int:
    return counted.around + sum(len(encoding_called(encoding).encode_ordinary(text)) for text in counted.texts)


def old(name: str, properties: dict[str, Any] | None = None, description: str = "") -> dict[str, Any]:
    function = {"name": name, "parameters": {"type": "object", "properties": properties or {}}}
    return {**function, "description": description} if description else function


def new(name: str, properties: dict[str, Any] | None = None, description: str = "") -> dict[str, Any]:
    return {"type": "function", "function": old(name, properties, description)}


def sums(number: int) -> list[dict[str, Any]]:
    """A question, calls of a calculator in one message, and what it gave back."""
    function = {"name": "calculator", "arguments": '{"a":2, "b":2}'}
    ids = [f"call_{at}" for at in range(number)]
    return [
        {"role": "user", "content": "How much is 2 plus 2?"},
        {"role": "assistant", "tool_calls": [{"id": each, "type": "function", "function": function} for each in ids]},
        *({"role": "tool", "tool_call_id": each, "content": "4"} for each in ids),
    ]


@pytest.mark.parametrize(
    ("document", "reported"),
    [
        ({"messages": [HELLO]}, 8),
        ({"messages": [{"role": "system", "content": "hello:"}]}, 9),
        ({"messages": [{"role": "user", "content": "á"}]}, 8),
        ({"messages": [HELLO], "functions": [old("foo")]}, 31),
        ({"messages": [HELLO], "functions": [old("foo")], "function_call": "auto"}, 31),
        ({"messages": [HELLO], "functions": [old("foo")], "function_call": "none"}, 32),
        ({"messages": [HELLO], "functions": [old("foo")], "function_call": {"name": "foo"}}, 36),
        ({"messages": [HELLO], "functions": [old("foo", description="Do a foo")]}, 36),
        ({"messages": [HELLO], "functions": [old("bing_bong", {"foo": {"type": "string"}}, "Do a bing bong")]}, 49),
        ({"messages": [{"role": "function", "name": "do_stuff", "content": "{}"}]}, 15 - 6),
        (WEATHER, 105),
    ],
)
def test_a_request_counts_what_the_api_reported(document: dict[str, Any], reported: int):
    assert tokens(document) == reported


def test_newer_models_count_the_same_frame_with_their_own_words():
    assert tokens(WEATHER, "o200k_base") == 101


def test_tools_cost_less_where_nothing_is_said_of_their_properties():
    bare = {"city": {"type": "string"}}
    said = {"city": {"type": "string", "description": "Where"}}
    assert tokens({"messages": [HELLO], "tools": [new("weather", bare)]}) < tokens(
        {"messages": [HELLO], "tools": [new("weather", said)]}
    )


def test_a_call_costs_its_frame_and_its_arguments_without_blanks():
    question = {"messages": sums(1)[:1]}
    call = {"messages": sums(1)[:2]}
    assert tokens(call) - tokens(question) == 8 + sum(
        len(encoding_called("cl100k_base").encode_ordinary(text)) for text in ("functions.calculator", '{"a":2,"b":2}')
    )


def test_several_calls_are_one_with_a_list():
    alone, both = (tokens({"messages": sums(number)[: number + 1]}) for number in (1, 2))
    assert both > alone
    calls = '[{"recipient_name":"functions.calculator","parameters":{"a":2,"b":2}}]'
    assert both - alone < len(encoding_called("cl100k_base").encode_ordinary(calls)) + 20


def test_models_that_think_have_other_marks_and_say_more_of_tools():
    chat = CODECS["openai_chat"].read_request({"model": "m", **WEATHER}, "")
    usual, thinking, first = (to_count(chat, "openai", model).around for model in ("gpt-4o", "gpt-5-mini", "o3-mini"))
    assert thinking > usual + 80
    assert usual - 1 <= first <= usual + 10
    said = CODECS["openai_chat"].read_request({"model": "m", "messages": [HELLO]}, "")
    assert to_count(said, "openai", "gpt-4.1").around - to_count(said, "openai", "o4-mini").around == 1


def test_a_schema_for_the_answer_is_counted():
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "place", "schema": schema, "strict": True}}
    alone = tokens({"messages": [HELLO]})
    with_schema = tokens({"messages": [HELLO], "response_format": wanted})
    text = '{"type":"object","properties":{"city":{"type":"string"}}}'
    assert with_schema - alone == 12 + 2 + len(encoding_called("cl100k_base").encode_ordinary(text))
    told = tokens({"messages": [HELLO], "response_format": {"type": "json_object"}})
    assert told == alone
    named = {**wanted["json_schema"], "description": "Where it is"}
    assert tokens({"messages": [HELLO], "response_format": {**wanted, "json_schema": named}}) > with_schema
    tools = [new("foo")]
    beside = tokens({"messages": [HELLO], "response_format": wanted, "tools": tools})
    assert beside == with_schema - alone + tokens({"messages": [HELLO], "tools": tools}) - 7


def test_a_name_that_only_repeats_the_role_costs_one_less():
    named, repeated = (tokens({"messages": [{**HELLO, "name": name}]}) for name in ("bob", "user"))
    assert named - repeated == 1


def test_sealed_thoughts_count_by_their_length_until_somebody_speaks_again():
    def counted(*items: dict[str, Any]) -> int:
        document = {"model": "gpt-5", "input": [{"role": "user", "content": "hello"}, *items]}
        return added(to_count(CODECS["openai_responses"].read_request(document, ""), "openai", "gpt-5"), "o200k_base")

    thought = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm " * 50}]}
    sealed = {**thought, "encrypted_content": "x" * 1300}
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    again = {"role": "user", "content": "hello"}
    assert counted(sealed, call) - counted(call) == 100
    assert counted(thought, call) == counted(call)
    assert counted(sealed, call, again) == counted(call, again)


def test_letters_beyond_ascii_cost_more_in_the_results_of_several_calls():
    def reported(number: int) -> int:
        messages = [{**each, "content": "한국어"} if each["role"] == "tool" else each for each in sums(number)]
        return tokens({"messages": messages})

    # Each of the three letters becomes six.
    assert reported(3) - reported(2) > (reported(1) - tokens({"messages": sums(1)})) * 2


@pytest.mark.parametrize(
    ("kind", "model", "vendor"),
    [
        ("openai", "gpt-4o", "openai"),
        ("azure", "our-deployment", "openai"),
        ("anthropic", "", "anthropic"),
        ("bedrock", "anthropic.claude-haiku-4-5-v1:0", "anthropic"),
        ("openai", "anthropic/claude-sonnet-4-5", "anthropic"),
        ("vertex", "gemini-2.5-flash", "gemini"),
        ("triton", "ensemble", "other"),
    ],
)
def test_a_vendor_is_told_by_kind_and_model(kind: str, model: str, vendor: str):
    assert vendor_of(kind, model) == vendor


def test_anthropic_s_own_prompt_for_tools_is_counted():
    chat = CODECS["openai_chat"].read_request({"model": "m", **WEATHER}, "")
    assert to_count(chat, "anthropic", "claude").around - to_count(chat, "other", "m").around == 346


def test_images_count_with_their_message():
    content = [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]
    assert tokens({"messages": [{"role": "user", "content": content}]}) == 3 + 4 + 1 + 85 + 4 * 170


@given(
    st.lists(
        st.one_of(
            st.builds(Text, text=st.text(max_size=20)),
            st.builds(
                ToolCall,
                id=st.sampled_from("ab"),
                name=st.text(max_size=5),
                arguments=st.sampled_from(['{"a": 1}', "", "no json", '"é"']),
            ),
            st.builds(
                ToolResult, call_id=st.sampled_from("ab"), parts=st.just((Text(text="é"),)), name=st.text(max_size=5)
            ),
            st.builds(ToolResult, call_id=st.just("a"), parts=st.just(()), document=st.just({"a": [1]})),
        ),
        max_size=5,
    ),
    st.sampled_from(["system", "user", "assistant", "tool"]),
    st.booleans(),
)
def test_any_turn_is_counted(parts: list[Any], role: Any, legacy: bool):
    chat = ChatRequest(dialect="x", model="m", turns=(Turn(role=role, parts=tuple(parts)),))
    counted = to_count(chat, "openai", "m", legacy=legacy)
    assert counted.around >= 3
    assert all(orjson.dumps(text) for text in counted.texts)


@pytest.mark.parametrize("document", [None, {}, {"messages": "x"}, {"messages": [3]}, {"messages": [HELLO]}])
def test_what_has_no_older_fields_is_not_legacy(document: Any):
    assert not is_legacy(document)
