from __future__ import annotations

import copy
from typing import Any

from hypothesis import given

from gateway.wire.openai_chat.merge import MAX_DEPTH, assemble, merge_delta
from gateway.wire.openai_stream import DONE, write_event
from tests.support.chat_streams import MadeUp, made_up_streams


def merged(*deltas: dict[str, Any]) -> dict[str, Any]:
    into: dict[str, Any] = {}
    for delta in deltas:
        merge_delta(into, delta)
    return into


def test_texts_grow_names_do_not_and_the_rest_is_replaced() -> None:
    deltas = [{"id": "a", "t": "x", "n": 1, "b": None}, {"id": "a", "t": "y", "n": 2, "b": "z"}, {"id": "", "t": None}]
    assert merged(*deltas) == {"id": "a", "t": "xy", "n": 2, "b": "z"}


def test_arrays_merge_by_index_and_otherwise_grow() -> None:
    first = {"calls": [{"index": 0, "f": {"a": "x"}}], "plain": [1]}
    second = {"calls": [{"index": 1, "f": {"a": "y"}}, {"index": 0, "f": {"a": "z"}}], "plain": [{"no": "index"}]}
    assert merged(first, second) == {
        "calls": [{"index": 0, "f": {"a": "xz"}}, {"index": 1, "f": {"a": "y"}}],
        "plain": [1, {"no": "index"}],
    }


def test_another_id_is_another_member() -> None:
    calls = merged({"c": [{"index": 0, "id": "a"}]}, {"c": [{"index": 0, "id": "b"}]}, {"c": [{"index": 0, "x": "y"}]})[
        "c"
    ]
    assert calls == [{"index": 0, "id": "a"}, {"index": 0, "id": "b", "x": "y"}]


def test_deltas_are_not_changed_and_depth_is_bounded() -> None:
    deep: dict[str, Any] = {"x": "y"}
    for _ in range(MAX_DEPTH * 20):
        deep = {"d": deep, "l": [{"index": 0}]}
    before = copy.copy(deep)
    merged(deep, deep)
    assert deep == before


@given(made_up_streams())
def test_assembled_answer_has_every_text(stream: MadeUp) -> None:
    answer = assemble(stream.events)
    texts: dict[tuple[int, str], str] = {}
    for choice in answer["choices"]:
        assert choice["finish_reason"] == "stop"
        message = choice["message"]
        for kind in ("content", "reasoning_content", "refusal", "vendor_text"):
            texts[choice["index"], kind] = message.get(kind, "")
        for number, call in enumerate(message.get("tool_calls", ())):
            assert "index" not in call
            texts[choice["index"], f"name/{number}"] = call["function"]["name"]
            texts[choice["index"], f"arguments/{number}"] = call["function"]["arguments"]
    assert {place: text for place, text in texts.items() if text} == stream.texts


def test_truncated_tail_is_left_out_and_usage_is_kept() -> None:
    first = write_event(
        {
            "id": "c",
            "object": "chat.completion.chunk",
            "model": "m",
            "choices": [{"index": 0, "delta": {"content": "a"}}],
        }
    )
    usage = write_event({"choices": [], "usage": {"prompt_tokens": 1}})
    assert assemble([first, usage, first[:20]]) == {
        "id": "c",
        "object": "chat.completion",
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": None}],
        "usage": {"prompt_tokens": 1},
    }
    assert assemble([]) == {"choices": []}


def test_text_and_parts_under_one_name_are_both_kept() -> None:
    deltas: list[Any] = [{"content": "a"}, {"content": [{"type": "thinking", "thinking": "b"}]}, {"content": "c"}, None]
    kept = [write_event({"choices": [{"index": 0, "delta": delta}, "odd"]}) for delta in deltas]
    message = assemble([*kept, DONE])["choices"][0]["message"]
    assert message["content"] == [{"type": "thinking", "thinking": "b"}, {"type": "text", "text": "ac"}]
