from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from gateway.policy.pii.kind import Kind, Require, Strength

KIND = Kind(entity="X", name="X", expression="[0-9]{4}", check="plain", strength="weak", words=("x",))
# What each demand makes of each strength: gone, with a word, alone.
TABLE: dict[Strength, tuple[str, str, str]] = {
    "proof": ("alone", "alone", "alone"),
    "format": ("alone", "gone", "alone"),
    "weak": ("word", "word", "alone"),
    "form": ("word", "gone", "alone"),
}


@pytest.mark.parametrize("strength", get_args(Strength))
@pytest.mark.parametrize(("place", "require"), list(enumerate(get_args(Require))))
def test_what_is_demanded(strength: Strength, place: int, require: Require) -> None:
    kind = Kind(entity="X", name="X", expression="[0-9]{4}", check="plain", strength=strength, words=("x",))
    pattern = kind.pattern(require, ())
    made = "gone" if pattern is None else "word" if pattern.context else "alone"
    assert made == TABLE[strength][place]


def test_the_frame_is_added_unless_the_expression_has_its_own() -> None:
    framed = KIND.pattern("any", ("1*",))
    bare = msgspec.structs.replace(KIND, bare=True).pattern("any", ())
    assert framed is not None
    assert bare is not None
    assert framed.expression.endswith(r"[0-9]{4}(?:\b|_)")
    assert framed.allow == ("1*",)
    assert bare.expression == "[0-9]{4}"
    assert (framed.max_chars, bare.max_chars) == (8, 4)


def test_sizes_and_form_ride_in_the_name_of_the_check() -> None:
    rough = msgspec.structs.replace(KIND, expression="[0-9]{4,9}", form="[0-9]{4}", sizes=(4, 5))
    pattern = rough.pattern("any", ())
    assert pattern is not None
    assert pattern.validator == "plain=4,5=[0-9]{4}"
