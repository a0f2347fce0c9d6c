from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import CacheMark, Media, Opaque, Reasoning, Text, ToolCall, ToolResult
from gateway.core.errors import MalformedRequest
from gateway.wire.bedrock_converse.chat_blocks import read_content


@pytest.mark.parametrize(
    ("block", "part"),
    [
        ({"text": "a"}, Text(text="a")),
        (
            {"toolUse": {"toolUseId": "t", "name": "n", "input": {"a": 1}}},
            ToolCall(id="t", name="n", arguments='{"a":1}'),
        ),
        ({"toolResult": {"toolUseId": "t", "content": []}}, ToolResult(call_id="t", parts=())),
        (
            {"toolResult": {"toolUseId": "t", "content": [{"json": {"a": 1}}], "status": "error"}},
            ToolResult(call_id="t", parts=(), document={"a": 1}, is_error=True),
        ),
        (
            {"toolResult": {"toolUseId": "t", "content": [{"json": {"a": 1}}, {"text": "b"}]}},
            ToolResult(call_id="t", parts=(Text(text='{"a":1}'), Text(text="b"))),
        ),
        (
            {"reasoningContent": {"reasoningText": {"text": "a", "signature": "s"}}},
            Reasoning(text="a", signature="s", origin="anthropic_messages"),
        ),
        ({"reasoningContent": {"redactedContent": "eA=="}}, Reasoning(encrypted="eA==", origin="anthropic_messages")),
        ({"guardContent": {"text": {"text": "a"}}}, Text(text="a")),
        (
            {"image": {"format": "jpeg", "source": {"bytes": "eA=="}}},
            Media(kind="image", media_type="image/jpeg", data="eA=="),
        ),
        (
            {"document": {"name": "n", "format": "txt", "source": {"content": [{"text": "a"}, {"text": "b"}]}}},
            Media(kind="document", name="n", text="a\nb"),
        ),
        (
            {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://b/k"}}}},
            Media(kind="video", media_type="video/mp4", file_id="s3://b/k"),
        ),
    ],
)  # fmt: skip
def test_blocks(block: Any, part: Any) -> None:
    assert read_content([block], "x") == [part]


def test_what_only_this_dialect_knows_is_kept_as_it_came() -> None:
    for block in ({"toolAddition": {}}, {"toolUse": {"type": "server_tool_use"}}, {"toolResult": {"type": "x"}}):
        (part,) = read_content([block], "x")
        assert isinstance(part, Opaque)
        assert part.document == block


def test_a_point_of_the_cache_marks_what_stands_before_it() -> None:
    point = {"cachePoint": {"type": "default", "ttl": "5m"}}
    assert read_content([{"text": "a"}, point, {"text": "b"}], "x") == [
        Text(text="a", cache=CacheMark(ttl="5m")),
        Text(text="b"),
    ]
    assert isinstance(read_content([point], "x")[0], Opaque)


@pytest.mark.parametrize(
    ("content", "param"),
    [
        ("text", "x"),
        (["text"], "x[0]"),
        ([{}], "x[0]"),
        ([{"text": 1}], "x[0].text"),
        ([{"toolUse": {"name": "n"}}], "x[0].toolUse.toolUseId"),
        ([{"toolUse": {"toolUseId": "t", "name": "n", "input": []}}], "x[0].toolUse.input"),
        ([{"toolUse": 1}], "x[0].toolUse"),
        ([{"toolResult": 1}], "x[0].toolResult"),
        ([{"toolResult": {"toolUseId": "t", "content": [{"toolAddition": {}}]}}], "x[0].toolResult.content"),
        ([{"image": {"format": "png"}}], "x[0].image.source"),
        ([{"image": {"format": "png", "source": {}}}], "x[0].image.source"),
        ([{"reasoningContent": {}}], "x[0].reasoningContent.reasoningText"),
        ([{"reasoningContent": 1}], "x[0].reasoningContent"),
        ([{"citationsContent": 1}], "x[0].citationsContent"),
        ([{"guardContent": {}}], "x[0].guardContent"),
        ([{"searchResult": 1}], "x[0].searchResult"),
    ],
)
def test_what_cannot_be_is_refused_by_name(content: Any, param: str) -> None:
    with pytest.raises(MalformedRequest) as refused:
        read_content(content, "x")
    assert refused.value.param == param
