from __future__ import annotations

from typing import Any

import pytest

from gateway.wire.bedrock_converse.blocks import CONTENT
from gateway.wire.grammar import Found


def texts(value: Any) -> list[tuple[str, str]]:
    found: Found = []
    CONTENT((), "user", value, found)
    return [(each.kind, each.text) for each in found]


@pytest.mark.parametrize(
    ("block", "seen"),
    [
        ({"text": "a"}, [("text", "a")]),
        (
            {"document": {"name": "n", "source": {"text": "a"}, "context": "c"}},
            [("text", "n"), ("text", "a"), ("text", "c")],
        ),
        ({"document": {"name": "n", "source": {"content": [{"text": "a"}]}}}, [("text", "n"), ("text", "a")]),
        ({"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://b/k"}}}}, [("url", "s3://b/k")]),
        (
            {"citationsContent": {"content": [{"text": "a"}], "citations": [{"location": {"web": {"url": "u"}}}]}},
            [("text", "a"), ("url", "u")],
        ),
        (
            {"searchResult": {"source": "u", "title": "t", "content": [{"text": "a"}]}},
            [("url", "u"), ("text", "t"), ("text", "a")],
        ),
        ({"toolAddition": {"tool": {"name": "look"}}}, [("tool_name", "look")]),
        ({"cachePoint": {"type": "default", "ttl": "1h"}}, []),
        ({"new": "a"}, [("json_key", "new"), ("text", "a")]),
        ("a", [("text", "a")]),
        ({"toolUse": {"name": "look", "input": "text"}}, [("tool_name", "look"), ("tool_argument", "text")]),
    ],
)  # fmt: skip
def test_texts_of_a_block(block: Any, seen: list[tuple[str, str]]) -> None:
    assert texts([block]) == seen


def test_blocks_nested_beyond_sense_are_walked_leaf_by_leaf() -> None:
    block: Any = {"text": "deep"}
    for _ in range(40):
        block = {"toolResult": {"toolUseId": "t", "content": [block]}}
    assert ("tool_result", "deep") in texts([block])
