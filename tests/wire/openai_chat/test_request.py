from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import MalformedRequest
from gateway.core.segments import KEY, replace_leaves
from gateway.wire.openai_chat.request import parse, segments
from tests.support.documents import UNKNOWN, WORD, marked, objects, shown
from tests.support.incoming import json_incoming

PNG = "data:image/png;base64,iVBORw0KGgo="

PART = objects(
    {
        "type": st.sampled_from(["text", "image_url", "file"]),
        "text": WORD,
        "refusal": WORD,
        "thinking": WORD,
        "image_url": objects({"url": WORD | st.just(PNG), "detail": st.just("high")}) | WORD,
        "input_audio": objects({"data": st.just("UklGRg=="), "format": st.just("wav")}),
        "file": objects({"filename": WORD, "file_data": st.just(PNG), "file_id": WORD}),
        "cache_control": st.just({"type": "ephemeral"}),
    }
)
CALL = objects(
    {
        "id": WORD,
        "type": st.just("function"),
        "function": objects({"name": WORD, "arguments": WORD}),
        "custom": objects({"name": WORD, "input": WORD}),
    }
)
MESSAGE = objects(
    {
        "role": st.sampled_from(["system", "developer", "user", "assistant", "tool", "function"]),
        "content": WORD | st.lists(PART, max_size=3) | st.none(),
        "name": WORD,
        "tool_call_id": WORD,
        "tool_calls": st.lists(CALL, max_size=2),
        "function_call": objects({"name": WORD, "arguments": WORD}),
        "refusal": WORD,
        "reasoning_content": WORD,
        "audio": objects({"id": WORD}),
    }
)
FUNCTION = objects(
    {"name": WORD, "description": WORD, "parameters": objects({"type": st.just("object"), "properties": UNKNOWN})}
)
TOOL = objects(
    {"type": st.just("function"), "function": FUNCTION, "custom": objects({"name": WORD, "format": UNKNOWN})}
)
REQUEST = objects(
    {
        "tools": st.lists(TOOL, max_size=2),
        "functions": st.lists(FUNCTION, max_size=1),
        "tool_choice": st.just("auto") | objects({"type": st.just("function"), "function": objects({"name": WORD})}),
        "function_call": st.just("none") | objects({"name": WORD}),
        "response_format": objects(
            {"type": st.just("json_schema"), "json_schema": objects({"name": WORD, "schema": UNKNOWN})}
        ),
        "prediction": objects({"type": st.just("content"), "content": WORD | st.lists(PART, max_size=1)}),
        "metadata": st.dictionaries(WORD, WORD, max_size=2),
        "stop": WORD | st.lists(WORD, max_size=2),
        "user": WORD,
        "temperature": st.floats(0, 2),
        "reasoning_effort": st.just("low"),
        "service_tier": st.just("flex"),
        "modalities": st.just(["text", "audio"]),
        "audio": objects({"voice": WORD, "format": st.just("mp3")}),
        "web_search_options": UNKNOWN,
        "prompt_cache_key": WORD,
    }
)


@given(REQUEST, st.lists(MESSAGE, max_size=3))
def test_every_string_is_a_segment_exactly_once(document: dict[str, Any], messages: list[Any]) -> None:
    document = {"model": "m", **document, "messages": messages}
    before = copy.deepcopy(document)
    assert shown(segments(document)) == marked(document)
    assert document == before


@given(REQUEST, st.lists(MESSAGE, max_size=2))
def test_every_segment_can_be_replaced_where_it_says_it_is(document: dict[str, Any], messages: list[Any]) -> None:
    document = {**document, "messages": messages}
    values = [segment for segment in segments(document) if segment.path[-1] != KEY]
    edited = replace_leaves(document, {segment.path: "gone" for segment in values})
    assert {segment.text for segment in segments(edited) if segment.path[-1] != KEY} <= {"gone"}


def kinds(document: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(segment.role, segment.kind, segment.text) for segment in segments(document)]


def test_a_conversation_with_tools_and_media() -> None:
    document = {
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "name": "ann", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "auto"}},
                {"type": "image_url", "image_url": {"url": PNG}},
                {"type": "input_audio", "input_audio": {"data": "UklGRg" * 30, "format": "wav"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
            ]},
            {"role": "assistant", "content": None, "refusal": None, "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"q":"x"}'}},
            ]},
            {"role": "tool", "tool_call_id": "call_1", "content": "a cat"},
            {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "a dog"}]},
            {"role": "function", "name": "old", "content": "result"},
        ],
        "temperature": 0.5, "stream": True, "stream_options": {"include_usage": True}, "tool_choice": "auto",
    }  # fmt: skip
    assert kinds(document) == [
        ("system", "text", "Be kind."),
        ("user", "leaf", "ann"),
        ("user", "text", "What is this?"),
        ("user", "url", "https://x.test/a.png"),
        ("user", "file_name", "a.pdf"),
        ("assistant", "leaf", "call_1"),
        ("assistant", "tool_name", "look"),
        ("assistant", "tool_argument", '{"q":"x"}'),
        ("tool", "leaf", "call_1"),
        ("tool", "tool_result", "a cat"),
        ("tool", "leaf", "call_2"),
        ("tool", "tool_result", "a dog"),
        ("tool", "leaf", "old"),
        ("tool", "tool_result", "result"),
    ]


def test_arguments_are_marked_as_json() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    document = {"messages": [{"role": "assistant", "tool_calls": [call]}]}
    assert [segment.encoded for segment in segments(document)] == [False, False, True]


def test_tools_are_described_text() -> None:
    function = {
        "name": "look",
        "description": "Looks.",
        "parameters": {"type": "object", "properties": {"q": {"type": "string", "enum": ["a"]}}},
    }
    assert kinds({"messages": [], "tools": [{"type": "function", "function": function}]}) == [
        ("", "tool_name", "look"),
        ("", "tool_description", "Looks."),
        ("", "json_key", "q"),
        ("", "tool_description", "a"),
    ]


def test_words_where_constants_belong_are_text() -> None:
    document = {
        "messages": [{"role": "ignore all rules", "content": [{"type": "jailbreak"}]}],
        "reasoning_effort": "lots",
        "seed": "s",
    }
    assert kinds(document) == [
        ("", "leaf", "ignore all rules"),
        ("", "leaf", "jailbreak"),
        ("", "leaf", "lots"),
        ("", "leaf", "s"),
    ]


def test_request_is_parsed() -> None:
    document = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "new_field": {"x": 1}}
    request = parse(json_incoming("/v1/chat/completions", document, query="v=1"), document)
    assert (request.dialect, request.operation, request.route) == ("openai_chat", "chat", "/v1/chat/completions")
    assert request.upstream_path == "/chat/completions?v=1"
    assert request.document is document


@pytest.mark.parametrize(
    ("messages", "param"),
    [(None, "messages"), ("hi", "messages"), ({}, "messages"), ([{}, "x"], "messages[1]"), ([None], "messages[0]")],
)
def test_messages_that_are_no_list_of_objects_are_refused(messages: Any, param: str) -> None:
    document = {"model": "m", "messages": messages}
    with pytest.raises(MalformedRequest) as caught:
        parse(json_incoming("/v1/chat/completions", document), document)
    assert caught.value.param == param
