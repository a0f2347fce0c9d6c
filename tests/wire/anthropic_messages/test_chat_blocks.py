from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import Media, Opaque, Reasoning, Text, ToolCall, ToolResult
from gateway.core.errors import MalformedRequest
from gateway.wire.anthropic_messages.chat_blocks import named_results, read_content

IMAGE = {"type": "image", "source": {"type": "url", "url": "u"}}


def read(block: dict[str, Any]) -> Any:
    return read_content([block], "messages[0].content")[0]


def test_text() -> None:
    assert read_content("hi", "x") == [Text(text="hi")]
    assert read_content("", "x") == []
    assert read({"type": "text", "text": "hi"}) == Text(text="hi")


def test_thoughts_are_kept_byte_for_byte() -> None:
    assert read({"type": "thinking", "thinking": "t", "signature": "s=="}) == Reasoning(
        text="t", signature="s==", origin="anthropic_messages"
    )
    assert read({"type": "redacted_thinking", "data": "d=="}) == Reasoning(encrypted="d==", origin="anthropic_messages")


def test_media_of_every_source() -> None:
    def document(source: dict[str, Any]) -> Any:
        return read({"type": "document", "source": source, "title": "t"})

    assert document({"type": "base64", "media_type": "application/pdf", "data": "AA"}).data == "AA"
    assert document({"type": "url", "url": "u"}).url == "u"
    assert document({"type": "file", "file_id": "f"}).file_id == "f"
    assert document({"type": "text", "media_type": "text/plain", "data": "w"}).text == "w"
    inner = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert document({"type": "content", "content": inner}) == Media(kind="document", text="a\nb", name="t")


def test_calls_and_results() -> None:
    call = read({"type": "tool_use", "id": "1", "name": "n", "input": {"a": 1}})
    assert call == ToolCall(id="1", name="n", arguments='{"a":1}')
    result = read({"type": "tool_result", "tool_use_id": "1", "is_error": True})
    assert result == ToolResult(call_id="1", parts=(), is_error=True)
    names: dict[str, str] = {}
    assert named_results(iter([call]), names) == [call]
    assert named_results(iter([result]), names) == [ToolResult(call_id="1", name="n", parts=(), is_error=True)]


def test_what_others_do_not_know_is_kept_as_it_came() -> None:
    block = {"type": "container_upload", "file_id": "f"}
    assert read(block) == Opaque(dialect="anthropic_messages", kind="container_upload", document=block)
    reference = {"type": "tool_reference", "tool_name": "x"}
    result = read({"type": "tool_result", "tool_use_id": "1", "content": [reference]})
    assert result.parts == (Text(text='{"type":"tool_reference","tool_name":"x"}'),)


@pytest.mark.parametrize(
    ("content", "param"),
    [
        (1, "c"),
        (["x"], "c[0]"),
        ([{"text": "x"}], "c[0].type"),
        ([{"type": "text", "text": 1}], "c[0].text"),
        ([{"type": "image"}], "c[0].source"),
        ([{"type": "image", "source": {"type": "new"}}], "c[0].source"),
        ([{"type": "document", "source": {"type": "content", "content": [IMAGE]}}], "c[0].source.content"),
        ([{"type": "tool_use", "id": "1"}], "c[0].name"),
        ([{"type": "tool_use", "id": "1", "name": "n", "input": "x"}], "c[0].input"),
        ([{"type": "tool_result"}], "c[0].tool_use_id"),
        ([{"type": "tool_result", "tool_use_id": "1", "content": [{"type": "thinking"}]}], "c[0].content"),
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_refused_by_name(content: Any, param: str) -> None:
    with pytest.raises(MalformedRequest) as caught:
        read_content(content, "c")
    assert caught.value.param == param
