from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import InvalidAnswer
from gateway.wire.gemini.calls import MAX_CALL_CHARS, Calls, place, steps_of
from gateway.wire.openai_screen import Channels
from tests.support.gemini_streams import SIGNATURE
from tests.support.streams import ToyScreen


def calls() -> Calls:
    return Calls(Channels(ToyScreen()))


def piece(*partial: dict[str, Any], go_on: bool = True, **call: Any) -> dict[str, Any]:
    return {"functionCall": {**call, "partialArgs": list(partial), **({"willContinue": True} if go_on else {})}}


def test_arguments_that_come_in_pieces_are_put_together_and_screened_whole() -> None:
    taken = calls()
    assert taken.take(0, {**piece(name="look", id="c"), "thoughtSignature": SIGNATURE}) is None
    assert taken.take(0, piece({"jsonPath": "$.q", "stringValue": "SEC"})) is None
    assert (
        taken.take(0, piece({"jsonPath": "$.q", "stringValue": "RET!"}, {"jsonPath": "$.n[1].a", "numberValue": 2}))
        is None
    )
    assert taken.take(0, piece({"jsonPath": "$.n[0]", "boolValue": True}, go_on=False)) == {
        "functionCall": {"name": "look", "id": "c", "args": {"q": "[X]!", "n": [True, {"a": 2}]}},
        "thoughtSignature": SIGNATURE,
    }


def test_candidates_do_not_mix() -> None:
    taken = calls()
    assert taken.take(0, piece(name="a")) is None
    whole = {"functionCall": {"name": "b", "args": {"x": "y"}}}
    assert taken.take(1, whole) is whole
    assert taken.finish(0) == [{"functionCall": {"name": "a", "args": {}}}]
    assert taken.finish(1) == []


def test_what_is_held_comes_out_once() -> None:
    taken = calls()
    taken.hold(0, {"functionCall": {"name": "a"}})
    assert taken.finish(0) == [{"functionCall": {"name": "a"}}]
    assert taken.finish(0) == []


def test_what_is_too_large_is_refused() -> None:
    with pytest.raises(InvalidAnswer):
        calls().hold(0, {"text": "x" * MAX_CALL_CHARS})
    with pytest.raises(InvalidAnswer):
        calls().take(0, piece({"jsonPath": "$.q", "stringValue": "x" * (MAX_CALL_CHARS + 1)}))


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("$.a", ("a",)),
        ("$.a.b[2]", ("a", "b", 2)),
        ("$['a b'][0].c", ("a b", 0, "c")),
        ('$["a"]', ("a",)),
    ],
)
def test_paths_are_read(path: str, steps: tuple[str | int, ...]) -> None:
    assert steps_of(path) == steps


@pytest.mark.parametrize("path", [None, "", "a", "$", "$[0]", "$..a", "$.a[*]", "$.a[99999]", "$.a[?(@.b)]"])
def test_paths_that_name_no_place_are_refused(path: Any) -> None:
    with pytest.raises(InvalidAnswer):
        steps_of(path)


def test_pieces_that_contradict_each_other_are_refused() -> None:
    root: dict[str, Any] = {}
    place(root, ("a",), "text")
    with pytest.raises(InvalidAnswer):
        place(root, ("a", "b"), 1)
    with pytest.raises(InvalidAnswer):
        place(root, ("b", 10_001), 1)


@given(
    st.lists(st.tuples(st.lists(st.sampled_from(["a", "b", 0, 1]), min_size=1, max_size=3), st.integers()), max_size=6)
)
def test_any_pieces_give_a_document_or_are_refused(pieces: list[tuple[list[Any], int]]) -> None:
    root: dict[str, Any] = {}
    for path, value in pieces:
        try:
            place(root, tuple(path), value)
        except InvalidAnswer:
            return
        here: Any = root
        for step in path:
            here = here[step]
        assert here == value
