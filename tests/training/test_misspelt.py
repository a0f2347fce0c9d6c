from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from training.misspelt import cased, misspelt

WORDS = st.lists(
    st.sampled_from(["a", "be", "the", "people", "kitchen", "awfully", "Monday", "never", "!"]), max_size=8
)


@given(WORDS, st.integers(0, 1_000))
def test_at_most_two_words_are_spelled_otherwise_and_short_ones_never(words: list[str], seed: int) -> None:
    text = " ".join(words)
    spelt = misspelt(text, random.Random(seed))
    assert spelt == misspelt(text, random.Random(seed))
    left = spelt.split(" ")
    # A word that runs into the next takes that one along.
    assert sum(word not in left for word in words) <= 4
    if not any(len(word) > 3 for word in words):
        assert spelt == text


def test_a_long_word_is_spelled_otherwise_in_every_way() -> None:
    found = {misspelt("the kitchen is", random.Random(seed)) for seed in range(200)}
    assert {"the k17ch3n is", "the k i t c h e n is", "the k.i.t.c.h.e.n is", "the kitchenis"} <= found
    assert {"the ktichen is", "the kichen is", "the k*tchen is"} <= found
    assert "the kitchen is" not in found


def test_some_texts_are_written_in_one_case_throughout() -> None:
    found = [cased("Go Home", random.Random(seed)) for seed in range(400)]
    assert set(found) == {"Go Home", "go home", "GO HOME"}
    assert found.count("Go Home") > 250
