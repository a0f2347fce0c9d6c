"""Two answers are compared by what they say and call, whatever form that has; nothing of it is kept."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.record import AttemptRecord, ExchangeRecord, MirrorRecord
from gateway.recording.likeness import Given, compared
from gateway.wire import openai_chat
from tests.support.rooms import DONE, event

DIALECT = openai_chat.DIALECT
REAL = ExchangeRecord(id="real", status=200, finish_reason="stop")
COPY = ExchangeRecord(id="copy", status=200, finish_reason="stop")


def whole(content: str | None, *calls: tuple[str, str]) -> Given:
    tools = [
        {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for number, (name, arguments) in enumerate(calls)
    ]
    message = {"role": "assistant", "content": content, **({"tool_calls": tools} if tools else {})}
    return Given(DIALECT, orjson.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}))


def likeness(one: Given | None, other: Given | None, copy: ExchangeRecord = COPY) -> MirrorRecord:
    return compared(copy, one, REAL, other)


def test_the_same_words_are_the_same():
    made = likeness(whole("It rains."), whole("It rains."))
    assert (made.same_text, made.same_tools, made.same_finish) == (True, True, True)
    assert (made.chars, made.real_chars, made.tool_calls, made.real_tool_calls) == (9, 9, 0, 0)
    made = likeness(whole("It rains!"), whole("It rains."))
    assert (made.same_text, made.same_tools) == (False, True)


@given(pieces=st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=8), min_size=1, max_size=6))
def test_a_stream_is_what_it_says_however_it_is_cut(pieces: list[str]):
    streamed = Given(DIALECT, kept=(*(event(piece) for piece in pieces), event(), DONE))
    assert likeness(streamed, whole("".join(pieces))).same_text


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ([("look", '{"a": 1, "b": [2]}')], [("look", '{"b":[2],"a":1}')], True),
        ([("look", '{"a": 1}'), ("go", "{}")], [("go", "{}"), ("look", '{"a": 1}')], True),
        ([("look", '{"a": 1}')], [("look", '{"a": 2}')], False),
        ([("look", '{"a": 1}')], [("seek", '{"a": 1}')], False),
        ([("look", '{"a": 1}')], [("look", '{"a": 1}'), ("look", '{"a": 1}')], False),
        ([("look", "{cut")], [("look", "{cut")], True),
        ([("look", '{"a": 1}')], [], False),
    ],
)
def test_tools_are_the_same_when_they_are_called_alike(one: Any, other: Any, same: bool):
    made = likeness(whole(None, *one), whole(None, *other))
    assert (made.same_tools, made.tool_calls, made.real_tool_calls) == (same, len(one), len(other))


@pytest.mark.parametrize("unknown", [None, Given(DIALECT, b"<html>")])
def test_what_is_not_known_is_neither_the_same_nor_another(unknown: Given | None):
    made = likeness(unknown, whole("hello"))
    assert (made.same_text, made.same_tools, made.same_finish, made.chars, made.real_chars) == (
        None,
        None,
        None,
        None,
        5,
    )
    made = likeness(whole("hello"), unknown)
    assert (made.same_text, made.same_tools, made.chars, made.real_chars) == (None, None, 5, None)


def test_an_error_says_nothing():
    made = likeness(whole("hello"), whole("hello"), msgspec.structs.replace(COPY, error_code="upstream_error"))
    assert (made.same_text, made.chars, made.real_chars) == (None, None, 5)


def test_figures_are_of_the_try_that_was_answered():
    tries = [
        AttemptRecord(number=1, ttft_ms=5.0, duration_ms=50.0, error_code="upstream_error"),
        AttemptRecord(number=2, ttft_ms=7.0, duration_ms=70.0),
        AttemptRecord(number=3, ttft_ms=None, duration_ms=30.0, error_code="outrun"),
    ]
    real = msgspec.structs.replace(REAL, attempts=tries, deployment="p/m", input_tokens=3, output_tokens=4)
    copy = msgspec.structs.replace(COPY, attempts=[AttemptRecord(ttft_ms=9.0, duration_ms=90.0)], cost_nanousd=8)
    made = compared(copy, None, real, None)
    assert (made.mirror_of, made.real_deployment) == ("real", "p/m")
    assert (made.real_ttft_ms, made.real_duration_ms, made.ttft_ms, made.duration_ms) == (7.0, 70.0, 9.0, 90.0)
    assert (made.real_input_tokens, made.real_output_tokens, made.real_cost_nanousd) == (3, 4, None)
    assert (made.input_tokens, made.cost_nanousd) == (None, 8)
    # One that was never sent has no times.
    assert compared(COPY, None, REAL, None).duration_ms == 0.0


def test_nothing_that_was_said_is_kept():
    made = likeness(whole("a falcon", ("look", '{"city": "Bonn"}')), whole("an osprey"))
    kept = orjson.dumps(msgspec.to_builtins(made))
    assert not any(word in kept for word in (b"falcon", b"osprey", b"Bonn", b"look"))
