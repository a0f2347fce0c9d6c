from __future__ import annotations

from typing import Any

import pytest

from gateway.cache.lessons import PEOPLE, Lesson
from gateway.operator.judged_answers import lesson_of

HIT: dict[str, Any] = {"cache": "hit-semantic", "cache_partition": "p", "cache_chance": 0.98, "cache_origin": "e1"}


@pytest.mark.parametrize(
    ("value", "right"), [(True, True), (False, False), (1, True), (0.5, True), (0.4, False), (0, False)]
)
def test_whether_an_answer_from_the_cache_was_right_is_a_lesson(*, value: float, right: bool) -> None:
    assert lesson_of(HIT, "correct", value) == Lesson(partition="p", chance=0.98, right=right, by=PEOPLE, origin="e1")


def test_an_answer_to_the_very_same_question_was_given_with_no_doubt() -> None:
    lesson = lesson_of({**HIT, "cache": "hit-exact", "cache_chance": None}, "correct", value=False)
    assert lesson == Lesson(partition="p", chance=None, right=False, by=PEOPLE, origin="e1")


@pytest.mark.parametrize(
    ("exchange", "name", "value"),
    [
        ({**HIT, "cache": "miss"}, "correct", True),
        ({**HIT, "cache": "off"}, "correct", True),
        (HIT, "helpful", False),
        (HIT, "correct", "no"),
    ],
)
def test_anything_else_is_none(exchange: dict[str, Any], name: str, value: float | str) -> None:
    assert lesson_of(exchange, name, value) is None
