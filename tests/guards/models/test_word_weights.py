from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.guards.models.ngrams import grams
from gateway.guards.models.word_weights import WordWeights, table

WORDS = [("bad", 6.0, 4.0), ("awful", 8.0, 16.0), ("nice", -3.0, 9.0)]
MODEL = WordWeights(table(WORDS))
TEXTS = st.lists(st.sampled_from(["bad", "awful", "nice", "tree", "BAD", "n\u00edce", "a", "!"]), max_size=12)


def one(text: str) -> float:
    return float(MODEL.weigh(grams(text), [(0, len(text))])[0])


@given(TEXTS)
def test_a_score_is_the_sum_over_known_words_less_for_many(tokens: list[str]) -> None:
    known = {word: (weight, square) for word, weight, square in WORDS}
    folded = [token.lower().replace("\u00ed", "i") for token in tokens]
    found = [known[token] for token in folded if token in known]
    squares = sum(square for _, square in found)
    expected = sum(weight for weight, _ in found) / max(squares, 1.0) ** 0.5
    assert one(" ".join(tokens)) == pytest.approx(expected, abs=1e-9)


@given(TEXTS, TEXTS)
def test_a_window_scores_as_its_text_by_itself(left: list[str], right: list[str]) -> None:
    before, text = " ".join(left), " ".join(right)
    whole = f"{before} {text}"
    [score] = MODEL.weigh(grams(whole), [(len(before) + 1, len(whole))])
    assert score == pytest.approx(one(text), abs=1e-9)


def test_windows_are_scored_one_by_one_and_none_of_an_empty_text() -> None:
    text = "bad tree nice"
    scores = MODEL.weigh(grams(text), [(0, 3), (4, 8), (9, 13)])
    assert scores == pytest.approx([3.0, 0.0, -1.0])
    assert one("") == 0.0
    assert MODEL.weigh(grams(""), []).shape == (0,)


def test_a_table_keeps_single_words_and_the_first_of_two() -> None:
    arrays = table([("two words", 1.0, 1.0), ("b\u00e4d", 2.0, 1.0), ("bad", 5.0, 1.0), ("...", 1.0, 1.0)])
    assert {name: values.dtype.name for name, values in arrays.items()} == {
        "keys": "uint32",
        "weights": "float16",
        "squares": "float16",
    }
    assert arrays["weights"].tolist() == [2.0]


def test_keys_rise_and_stay_as_they_are() -> None:
    # The table that ships was made with these hashes.
    keys = table(WORDS)["keys"]
    assert np.all(np.diff(keys.astype(np.int64)) > 0)
    assert keys.tolist() == GOLDEN


GOLDEN = [452743390, 1169706335, 3708963259]
