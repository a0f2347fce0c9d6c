from __future__ import annotations

from typing import Any

from gateway.core.segments import Segment
from gateway.wire.anthropic_messages.blocks import CITATION, CONTENT, sealed
from gateway.wire.grammar import Found, leaves
from tests.support.message_streams import SEAL


def found(content: Any, role: str = "user") -> list[tuple[str, str, str]]:
    """Role, kind and text of every segment."""
    return [(each.role, each.kind, each.text) for each in segments(content, role)]


def segments(content: Any, role: str = "user") -> Found:
    here: Found = []
    CONTENT((), role, content, here)
    return here


def test_words_bare_and_in_blocks() -> None:
    assert found("hi") == [("user", "text", "hi")]
    assert found([{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]) == [
        ("user", "text", "hi")
    ]


def test_media_is_no_text_and_what_is_said_of_it_is() -> None:
    data = "iVBORw0KGgo" * 20
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
    link = {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}}
    assert found([image, link]) == [("user", "leaf", "image/png"), ("user", "url", "https://x.test/a.png")]


def test_documents_of_every_source() -> None:
    plain = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "the words"},
             "title": "a title", "context": "a context", "citations": {"enabled": True}}  # fmt: skip
    inner = {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "inside"}]}}
    file = {"type": "document", "source": {"type": "file", "file_id": "file_1"}}
    result = {
        "type": "search_result",
        "source": "https://x.test",
        "title": "t",
        "content": [{"type": "text", "text": "r"}],
    }
    assert found([plain, inner, file, result]) == [
        ("user", "text", "the words"),
        ("user", "text", "a title"),
        ("user", "text", "a context"),
        ("user", "text", "inside"),
        ("user", "leaf", "file_1"),
        ("user", "url", "https://x.test"),
        ("user", "text", "t"),
        ("user", "text", "r"),
    ]


def test_a_signed_thought_is_sealed_and_an_unsigned_one_is_not() -> None:
    block = {"type": "thinking", "thinking": "so"}
    assert segments([block]) == [Segment((0, "thinking"), "user", "reasoning", "so")]
    assert segments([{**block, "signature": SEAL}]) == [
        Segment((0, "thinking"), "user", "reasoning", "so", sealed=True)
    ]
    short = segments([{**block, "signature": "abc"}])
    assert short[1] == Segment((0, "signature"), "user", "leaf", "abc", sealed=True)
    assert segments([{"type": "redacted_thinking", "data": SEAL}]) == []


def test_the_input_of_a_tool_is_one_text_and_json() -> None:
    block = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"q": ["a", 1.5]}}
    _, name, given = segments([block], "assistant")
    assert (name.kind, name.text) == ("tool_name", "look")
    assert given == Segment(
        (0, "input"), "assistant", "tool_argument", '{"q":["a",1.5]}', encoded=True, inline=True
    )  # fmt: skip
    assert [(each.kind, each.text) for each in segments([{**block, "input": "odd"}])[2:]] == [("tool_argument", "odd")]


def test_results_of_tools_are_said_by_the_tool() -> None:
    plain = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny", "is_error": False}
    parts = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "rain"}]}
    assert found([plain, parts]) == [
        ("tool", "leaf", "toolu_1"),
        ("tool", "tool_result", "sunny"),
        ("tool", "leaf", "toolu_1"),
        ("tool", "tool_result", "rain"),
    ]


def test_what_a_providers_own_tool_gave_back() -> None:
    found_there = {"type": "web_search_result", "url": "https://x.test", "title": "T", "encrypted_content": SEAL}
    block = {"type": "web_search_tool_result", "tool_use_id": "s", "content": [found_there]}
    ran = {"type": "code_execution_tool_result", "tool_use_id": "c",
           "content": {"type": "code_execution_result", "stdout": "out", "return_code": 0, "content": []}}  # fmt: skip
    assert found([block, ran], "assistant") == [
        ("tool", "leaf", "s"),
        ("tool", "url", "https://x.test"),
        ("tool", "tool_result", "T"),
        ("tool", "leaf", "c"),
        ("tool", "json_key", "stdout"),
        ("tool", "tool_result", "out"),
    ]


def test_citations_are_text() -> None:
    here: Found = []
    CITATION(
        (), "assistant", {"type": "char_location", "cited_text": "w", "document_title": "d", "document_index": 0}, here
    )
    assert [(each.kind, each.text) for each in here] == [("text", "w"), ("text", "d")]


def test_what_nests_too_deeply_is_still_looked_at() -> None:
    block: Any = "deep"
    for _ in range(400):
        block = [{"type": "tool_result", "tool_use_id": "t", "content": block}]
    assert "deep" in [each.text for each in segments(block)]


def test_everything_below_a_seal_is_sealed() -> None:
    here: Found = []
    sealed(leaves())((), "", ["a", {"b": "c"}], here)
    assert all(each.sealed for each in here)
