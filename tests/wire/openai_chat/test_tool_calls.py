from __future__ import annotations

from typing import Any

import pytest

from gateway.core.errors import InvalidAnswer
from gateway.wire.openai_chat.tool_calls import MAX_CALL_BYTES, OpenCall, ToolCalls
from gateway.wire.openai_screen import Channels
from tests.support.streams import ToyScreen


def call(number: int | None, arguments: str, *, name: str = "", id_: str = "", **more: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments} if name else {"arguments": arguments}
    entry: dict[str, Any] = {"function": function, **more}
    if number is not None:
        entry["index"] = number
    return {**entry, "id": id_, "type": "function"} if id_ else entry


def calls() -> tuple[ToolCalls, ToyScreen]:
    screen = ToyScreen()
    return ToolCalls(Channels(screen)), screen


def test_call_is_held_until_the_next_one_starts() -> None:
    held, screen = calls()
    assert held.take(0, [call(0, "", name="look", id_="a")]) == []
    assert held.take(0, [call(0, '{"k":"SEC')]) == []
    assert held.take(0, [call(0, 'RET"}')]) == []
    assert held.take(0, [call(1, "{}", name="SECRET", id_="b")]) == [
        {
            "tool_calls": [
                {"index": 0, "id": "a", "type": "function", "function": {"name": "look", "arguments": '{"k":"[X]"}'}}
            ]
        }
    ]
    assert held.finish(0) == [
        {"tool_calls": [{"index": 1, "id": "b", "type": "function", "function": {"name": "[X]", "arguments": "{}"}}]}
    ]
    assert held.finish(0) == []
    assert screen.given[0, "tool_argument/0", "look"] == '{"k":"SECRET"}'
    assert screen.given[0, "tool_name/1"] == "SECRET"


def test_calls_numbered_alike_are_told_apart_by_id() -> None:
    held, _ = calls()
    assert held.take(0, [call(0, "1", name="f", id_="a"), call(0, "2", name="f", id_="b")]) != []
    assert held.finish(0)[0]["tool_calls"][0]["id"] == "b"


def test_id_repeated_in_every_delta_is_one_call() -> None:
    held, _ = calls()
    assert held.take(0, [call(0, "1", name="f", id_="a"), call(0, "2", id_="a")]) == []
    assert held.finish(0)[0]["tool_calls"][0]["function"] == {"name": "f", "arguments": "12"}


def test_choices_hold_their_own_calls() -> None:
    held, _ = calls()
    held.take(0, [call(0, "zero", name="f", id_="a")])
    held.take(1, [call(0, "one", name="f", id_="b")])
    assert held.finish(1)[0]["tool_calls"][0]["function"]["arguments"] == "one"
    assert held.finish(0)[0]["tool_calls"][0]["function"]["arguments"] == "zero"


def test_call_without_number_stays_without_one() -> None:
    held, _ = calls()
    held.take(0, [call(None, "{}", name="f", id_="a")])
    assert "index" not in held.finish(0)[0]["tool_calls"][0]


def test_custom_tools_and_unknown_fields_are_screened() -> None:
    held, screen = calls()
    held.take(
        0,
        [
            {
                "index": 2,
                "id": "a",
                "type": "custom",
                "custom": {"name": "run", "input": "SEC"},
                "extra": {"k": "SECRET"},
            }
        ],
    )
    held.take(0, [{"index": 2, "custom": {"input": "RET!"}}])
    assert held.finish(0) == [
        {
            "tool_calls": [
                {
                    "index": 2,
                    "id": "a",
                    "type": "custom",
                    "custom": {"name": "run", "input": "[X]!"},
                    "extra": {"k": "[X]"},
                }
            ]
        }
    ]
    assert screen.given[0, "tool_argument/2", "run"] == "SECRET!"


def test_legacy_call_is_held_to_the_end() -> None:
    held, _ = calls()
    assert held.take_legacy(0, {"name": "f", "arguments": "SEC"}) == []
    assert held.take_legacy(0, {"arguments": "RET"}) == []
    assert held.finish(0) == [{"function_call": {"name": "f", "arguments": "[X]"}}]


@pytest.mark.parametrize("entries", ["x", 5, {"a": 1}, [5], [None]])
def test_what_is_no_list_of_objects_is_refused(entries: Any) -> None:
    held, _ = calls()
    with pytest.raises(InvalidAnswer):
        held.take(0, entries)
    with pytest.raises(InvalidAnswer):
        held.take_legacy(0, "x")


def test_what_is_held_is_bounded_and_room_comes_back() -> None:
    held, _ = calls()
    half = "x" * (MAX_CALL_BYTES // 2)
    for _ in range(4):
        held.take(0, [call(0, half, name="f", id_="a")])
        held.finish(0)
    held.take(0, [call(0, half, name="f", id_="a")])
    with pytest.raises(InvalidAnswer):
        held.take(0, [call(0, half), call(0, half)])


def test_open_call_shares_nothing_with_the_deltas() -> None:
    first = call(0, "a", name="f", id_="x", extra={"list": [1]})
    second = call(0, "b", extra={"list": [2], "more": "c"})
    open_call = OpenCall(0)
    open_call.add(first)
    open_call.add(second)
    assert open_call.inputs == {"function": ["a", "b"]}
    assert open_call.fields["extra"] == {"list": [1, 2], "more": "c"}
    assert first["extra"] == {"list": [1]}
    assert first["function"] == {"name": "f", "arguments": "a"}
