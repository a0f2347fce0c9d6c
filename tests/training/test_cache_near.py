from __future__ import annotations

import random

import pytest

from training import cache_near
from training.cache_near import near_misses, swaps
from training.cache_same import changes, paraphrases

TEXTS = [
    "How do I convert 5 kilometers to miles?",
    "What is the weather in Paris tomorrow?",
    "How can I increase the size of the disk before Monday?",
    "Is Java faster than Python?",
]


@pytest.mark.parametrize("which", [0, 1])
def test_near_misses_differ_and_come_again_the_same(which: int) -> None:
    kinds = {
        "numbers": cache_near.number,
        "negation": cache_near.negation,
        "turned": cache_near.turned,
        "direction": swaps("direction", which),
    }
    made = near_misses(TEXTS, kinds, 3, 1)
    assert made == near_misses(TEXTS, kinds, 3, 1)
    assert {near.kind for near in made} >= {"numbers", "negation", "turned"}
    assert all(near.one.lower() != near.other.lower() for near in made)


def test_the_halves_share_no_swap() -> None:
    for kind in ("direction", "opposites", "comparatives"):
        tried = [swaps(kind, which)("from hot before more", random.Random(1)) for which in (0, 1)]
        assert tried[0] != tried[1]


def test_paraphrases_come_again_the_same() -> None:
    made = paraphrases(TEXTS, changes(0), 2, 1)
    assert made == paraphrases(TEXTS, changes(0), 2, 1)
    assert {"polite", "plainly", "how"} <= {same.kind for same in made}
