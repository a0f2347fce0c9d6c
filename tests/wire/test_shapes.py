from __future__ import annotations

from gateway.wire.shapes import is_array, is_integer, is_object, is_text


def test_every_kind_of_value_is_told_from_the_others() -> None:
    values = [{}, [], 1, "x", True, 1.0, None]
    assert [is_object(value) for value in values] == [True, False, False, False, False, False, False]
    assert [is_array(value) for value in values] == [False, True, False, False, False, False, False]
    assert [is_integer(value) for value in values] == [False, False, True, False, False, False, False]
    assert [is_text(value) for value in values] == [False, False, False, True, False, False, False]
