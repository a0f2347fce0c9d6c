from __future__ import annotations

from typing import Any

import pytest

from gateway.core.errors import MalformedRequest, MethodNotAllowed
from gateway.wire.bedrock_converse import DIALECT
from gateway.wire.bedrock_converse.request import segments
from tests.support.bedrock_script import CALL, SEAL, THOUGHT, WEATHER
from tests.support.incoming import json_incoming

PATH = "/model/us.anthropic.claude-x-v1%3A0/converse"


def user(*content: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(content)}]}


def test_what_is_read_of_a_request() -> None:
    document = {**user({"text": "hi"}), "inferenceConfig": {"maxTokens": 7}}
    request = DIALECT.parse(json_incoming("/bedrock" + PATH, document, query="a=b"), document)
    assert (request.dialect, request.model, request.stream) == ("bedrock_converse", "us.anthropic.claude-x-v1:0", False)
    assert (request.route, request.upstream_path) == ("/model/{model}/converse", "/model/{modelId}/converse?a=b")
    assert (request.max_output_tokens, request.stream_type, request.model_in_path) == (7, b"", True)
    assert DIALECT.upstream_body(request, document, "other") is request.body
    streamed = DIALECT.parse(json_incoming(PATH + "-stream", document), document)
    assert (streamed.stream, streamed.stream_type) == (True, b"application/vnd.amazon.eventstream")
    edited = {**document, "system": [{"text": "x"}]}
    assert b'"system"' in DIALECT.upstream_body(request, edited, "")


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ([], None),
        ({"messages": {}}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"inferenceConfig": []}, "inferenceConfig"),
        ({"inferenceConfig": {"maxTokens": -1}}, "inferenceConfig.maxTokens"),
        ({"inferenceConfig": {"maxTokens": "7"}}, "inferenceConfig.maxTokens"),
    ],
)
def test_what_cannot_be_read_is_refused(document: Any, param: str | None) -> None:
    with pytest.raises(MalformedRequest) as refused:
        DIALECT.parse(json_incoming(PATH, document), document)
    assert refused.value.param == param


def test_only_post_is_taken() -> None:
    with pytest.raises(MethodNotAllowed):
        DIALECT.parse(json_incoming(PATH, {}, method="GET"), {})


def found(document: Any) -> list[tuple[str, str, str, str]]:
    return [(each.role, each.kind, each.tool, each.text) for each in segments(document)]


def test_every_text_of_a_request_is_seen() -> None:
    result = {"toolResult": {"toolUseId": "tooluse_1", "content": [{"text": "Sunny."}, {"json": {"sky": "blue"}}]}}
    document = {
        "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
        "messages": [
            {"role": "user", "content": [{"text": "Look."}, {"guardContent": {"text": {"text": "Guard."}}}]},
            {"role": "assistant", "content": [CALL]},
            {"role": "user", "content": [result]},
        ],
        "inferenceConfig": {"maxTokens": 7, "temperature": 0.5, "stopSequences": ["END"]},
        "promptVariables": {"name": {"text": "Ada"}},
        "additionalModelRequestFields": {"top_k": 5},
        "unheardOf": {"x": "y"},
    }
    assert found(document) == [
        ("system", "text", "", "Be brief."),
        ("user", "text", "", "Look."),
        ("user", "text", "", "Guard."),
        ("assistant", "leaf", "", "tooluse_1"),
        ("assistant", "tool_name", "", "weather"),
        ("assistant", "tool_argument", "weather", '{"city":"Rome"}'),
        ("tool", "leaf", "", "tooluse_1"),
        ("tool", "tool_result", "weather", "Sunny."),
        ("tool", "json_key", "", "sky"),
        ("tool", "tool_result", "weather", "blue"),
        ("", "leaf", "", "END"),
        ("", "json_key", "", "name"),
        ("", "json_key", "", "text"),
        ("", "text", "", "Ada"),
        ("", "json_key", "", "top_k"),
        ("", "leaf", "", "5"),
        ("", "json_key", "", "unheardOf"),
        ("", "json_key", "", "x"),
        ("", "leaf", "", "y"),
    ]


def test_tools_are_seen_by_what_they_are() -> None:
    document = {"toolConfig": {"tools": [WEATHER], "toolChoice": {"tool": {"name": "weather"}}}}
    assert found(document) == [
        ("", "tool_name", "", "weather"),
        ("", "tool_description", "", "Weather in a city."),
        ("", "json_key", "", "city"),
        ("", "tool_description", "", "city"),
        ("", "tool_name", "", "weather"),
    ]


def test_a_signed_thought_is_sealed_and_media_is_no_text() -> None:
    content = [
        THOUGHT,
        {"reasoningContent": {"reasoningText": {"text": "free"}}},
        {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo" * 40}}},
        {"document": {"format": "pdf", "name": "report", "source": {"bytes": "JVBERi0x" * 40}}},
    ]
    seen = list(segments({"messages": [{"role": "assistant", "content": content}]}))
    assert [(each.text, each.sealed) for each in seen if each.kind != "leaf"] == [
        ("Let me look.", True),
        ("free", False),
        ("report", False),
    ]
    assert all(SEAL not in each.text or each.sealed for each in seen)


@pytest.mark.parametrize("document", [None, [], "x", {"messages": "text", "system": "text", "toolConfig": "text"}])
def test_no_document_breaks_the_walk(document: Any) -> None:
    seen = "".join(each.text for each in segments(document))
    assert document in (None, []) or "x" in seen
