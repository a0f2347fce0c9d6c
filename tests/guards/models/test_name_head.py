from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import ModelFailed
from gateway.guards.models.catalog import SHIPPED
from gateway.guards.models.name_head import (
    CASE_FEATURES,
    DESCRIPTION,
    FILE,
    JUDGED,
    REST,
    Features,
    NameHead,
    Words,
    features,
    read_head,
    words_of,
)
from gateway.guards.models.vocabulary import Vocabulary
from tests.support.models import reader

VOCABULARY = Vocabulary(reader(), "names-tokenizer.json")


def words(text: str) -> Words:
    return words_of(text, asyncio.run(VOCABULARY.cut(text)))


def test_a_word_knows_how_it_and_its_neighbours_are_written() -> None:
    found = words("yes. Anna saw NATO 42 @bob J").written
    # yes . Anna saw NATO 42 @ bob J
    assert [row[:8].tolist() for row in found] == [
        [0, 0, 1, 1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 1],
        [1, 0, 0, 1, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0, 0, 0],
        [0, 1, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 1, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 1],
        [0, 0, 1, 0, 0, 0, 1, 0],
        [1, 0, 0, 0, 0, 1, 0, 0],
    ]
    assert found[3][8:16].tolist() == found[2][:8].tolist()
    assert found[3][16:24].tolist() == found[4][:8].tolist()


def test_a_text_without_capitals_says_so() -> None:
    assert words("anna keller was here").written[:, 24:26].tolist() == [[0, 1]] * 4
    assert words("Anna Keller").written[0, 24:26].tolist() == [1, 0]


@given(st.text(max_size=60))
def test_words_lie_one_behind_the_other_and_hold_every_piece(text: str) -> None:
    pieces = asyncio.run(VOCABULARY.cut(text))
    found = words_of(text, pieces)
    assert found.written.shape == (len(found.places), CASE_FEATURES)
    assert np.isfinite(found.written).all()
    assert len(set(pieces.words)) == len(found.firsts)
    assert all(before[1] <= behind[0] for before, behind in zip(found.places, found.places[1:], strict=False))


def test_a_word_is_judged_by_the_mean_of_its_pieces_and_by_its_neighbours() -> None:
    written = np.zeros((2, CASE_FEATURES), dtype=np.float32)
    found = features(np.array([[1.0], [3.0], [5.0]]), np.full((3, JUDGED), 0.5), np.array([0, 2]), written)
    # Itself, before, behind.
    assert found.beside_each_other()[:, :3].tolist() == [[2, 0, 5], [5, 2, 0]]
    assert np.allclose(found.rest, 0)


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_a_head_computes_what_was_learned_row_by_row(words: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shapes = {"hidden": (3 * 4 + REST, 5), "hidden_bias": (5,), "out": (5, JUDGED), "out_bias": (JUDGED,)}
    arrays = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    own, rest = (rng.standard_normal((words, width)).astype(np.float32) for width in (4, REST))
    rows = Features(own, rest).beside_each_other()
    inner = np.maximum(rows @ arrays["hidden"] + arrays["hidden_bias"], 0)
    wanted = 1 / (1 + np.exp(-np.clip(inner @ arrays["out"] + arrays["out_bias"], -30, 30)))
    assert np.allclose(NameHead(arrays)(Features(own, rest)), wanted, atol=1e-5)


def test_certainty_beyond_measure_stays_a_number() -> None:
    sure = np.repeat([[0.0], [1.0]], JUDGED, axis=1)
    found = features(np.zeros((2, 384)), sure, np.array([0, 1]), np.zeros((2, CASE_FEATURES), dtype=np.float32))
    assert np.isfinite(found.rest).all()
    assert found.beside_each_other().shape == (2, 3 * 384 + REST)


def test_what_ships_fits() -> None:
    head, tables = read_head()
    written = np.zeros((3, CASE_FEATURES), dtype=np.float32)
    given_ = features(np.zeros((3, 384)), np.full((3, JUDGED), 0.1), np.arange(3), written)
    assert head(given_).shape == (3, JUDGED)
    assert {name: table.texts >= 1_000 for name, table in tables.items()} == {"PERSON": True, "ADDRESS": True}


@pytest.mark.parametrize("damage", [FILE, DESCRIPTION])
def test_what_is_damaged_is_refused(damage: str, tmp_path: Path) -> None:
    for file in (FILE, DESCRIPTION):
        shutil.copy(SHIPPED / file, tmp_path / file)
    read_head(tmp_path)
    data = bytearray((tmp_path / damage).read_bytes())
    data[len(data) // 2] ^= 0xFF
    (tmp_path / damage).write_bytes(data)
    with pytest.raises(ModelFailed):
        read_head(tmp_path)
