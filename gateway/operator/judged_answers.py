"""What a person's judgement of an answer means for the cache that gave it."""

from __future__ import annotations

from gateway.cache.lessons import PEOPLE, Lesson
from gateway.operator.queries import Row

# The judgement that says whether an answer was an answer to its question; others say something else about it.
NAME = "correct"
_HITS = frozenset(("hit-exact", "hit-semantic"))
# A score from here on says that it was.
_RIGHT = 0.5


def lesson_of(exchange: Row, name: str, value: float | str) -> Lesson | None:
    """Give what is to be learnt from a judgement; ``None`` where the cache has nothing to do with it.

    Args:
        exchange: The row of the one that is judged.
        name: What is judged of it.
        value: The judgement, true as 1; words say nothing that could be counted.
    """
    if name != NAME or isinstance(value, str) or exchange["cache"] not in _HITS:
        return None
    return Lesson(
        partition=exchange["cache_partition"],
        chance=exchange["cache_chance"],
        right=value >= _RIGHT,
        by=PEOPLE,
        origin=exchange["cache_origin"],
    )
