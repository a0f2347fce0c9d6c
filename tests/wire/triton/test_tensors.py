from __future__ import annotations

import pytest

from gateway.core.segments import Segment
from gateway.wire.triton.tensors import first_integer, first_text, numbers


def test_numbers_are_no_text_and_whatever_stands_among_them_is() -> None:
    found: list[Segment] = []
    numbers(("a",), "user", [[0.5, -1, None], [2]], found)
    numbers(("a",), "user", True, found)
    assert found == []
    numbers(("a",), "user", [[0.5], ["word"]], found)
    assert [(item.path, item.text) for item in found if item.text == "word"] == [(("a", 1, 0), "word")]


@pytest.mark.parametrize(
    ("value", "first"), [(7, 7), ([[7, 8]], 7), ([], None), ("7", None), (True, None), (None, None)]
)
def test_first_integer(value: object, first: int | None) -> None:
    assert first_integer(value) == first


@pytest.mark.parametrize(("value", "first"), [("a", "a"), ([["a"], ["b"]], "a"), ([], ""), (1, ""), (None, "")])
def test_first_text(value: object, first: str) -> None:
    assert first_text(value) == first
