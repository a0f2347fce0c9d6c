from __future__ import annotations

from gateway.core.chat import Media, Opaque, Reasoning, Refusal, Text, TokenLogprob, ToolCall
from gateway.wire.openai_responses.chat_items import Items

OWN = "openai_responses"


def test_parts_become_items_in_order() -> None:
    items = Items("a", logprobs=(TokenLogprob(token="x", logprob=0.0),))
    for part in (
        Reasoning(text="one", summary=True, id="rs", origin=OWN),
        Reasoning(text="two", summary=True, id="rs", origin=OWN),
        Reasoning(text="deep"),
        Text(text="x"),
        Refusal(text="no"),
        ToolCall(id="c", name="f", arguments="{}"),
        ToolCall(id="", name="g", arguments="in", custom=True),
        Text(text="y"),
    ):
        items.add(part)
    made = items.done()
    kinds = ["reasoning", "reasoning", "message", "function_call", "custom_tool_call", "message"]
    assert [item["type"] for item in made] == kinds
    assert [part["text"] for part in made[0]["summary"]] == ["one", "two"]
    assert made[1]["content"] == [{"type": "reasoning_text", "text": "deep"}]
    assert [part["type"] for part in made[2]["content"]] == ["output_text", "refusal"]
    assert made[2]["content"][0]["logprobs"][0]["token"] == "x"
    assert (made[3]["call_id"], made[4]["call_id"], made[4]["input"]) == ("c", "call_1", "in")
    assert len({item["id"] for item in made}) == len(made)


def test_what_only_others_know_is_left_out() -> None:
    items = Items("a")
    items.add(Reasoning(signature="s", origin="anthropic_messages"))
    items.add(Opaque(dialect="gemini", kind="x", document={}))
    items.add(Media(kind="audio", data="AAAA", text="spoken"))
    items.add(Opaque(dialect=OWN, kind="x", document={"type": "x"}))
    assert [item["type"] for item in items.done()] == ["message", "x"]


def test_history_has_no_names() -> None:
    items = Items("", 3, history=True)
    items.add(Text(text="x"))
    items.add(ToolCall(id="", name="f", arguments="{}"))
    assert items.done() == [
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x", "annotations": []}]},
        {"type": "function_call", "call_id": "call_3", "name": "f", "arguments": "{}"},
    ]
    assert items.calls == 4
