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
    NameHead,
    case_features,
    features,
    read_head,
)
from gateway.guards.models.vocabulary import Vocabulary
from tests.support.models import reader

VOCABULARY = Vocabulary(reader(), "names-tokenizer.json")


def case(text: str):
    pieces = asyncio.run(VOCABULARY.cut(text))
    return pieces, case_features(text, pieces)


def test_a_word_knows_how_it_and_its_neighbours_are_written() -> None:
    pieces, found = case("yes. Anna saw NATO 42")
    first = {pieces.words[at]: row for at, row in enumerate(found)}
    # yes . Anna saw NATO 42
    assert first[2][:5].tolist() == [1, 0, 0, 1, 0]
    assert first[3][:5].tolist() == [0, 0, 1, 0, 0]
    assert first[4][:5].tolist() == [0, 1, 0, 0, 0]
    assert first[5][:5].tolist() == [0, 0, 0, 0, 1]
    assert first[3][5:10].tolist() == first[2][:5].tolist()
    assert first[3][10:15].tolist() == first[4][:5].tolist()


def test_a_text_without_capitals_says_so() -> None:
    assert case("anna keller was here")[1][:, -2:].tolist() == [[0, 1]] * len(case("anna keller was here")[1])
    assert case("Anna Keller")[1][0, -2:].tolist() == [1, 0]


@given(st.text(max_size=60))
def test_every_piece_has_its_features(text: str) -> None:
    pieces, found = case(text)
    assert found.shape == (len(pieces.ids), CASE_FEATURES)
    assert np.isfinite(found).all()


def test_a_head_computes_what_it_says() -> None:
    arrays = {
        "hidden": np.array([[1.0], [-2.0]]),
        "hidden_bias": np.array([0.5]),
        "out": np.array([[3.0]]),
        "out_bias": np.array([-1.0]),
    }
    given_ = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    assert np.allclose(NameHead(arrays)(given_), 1 / (1 + np.exp([-3.5, 1.0])))


def test_certainty_beyond_measure_stays_a_number() -> None:
    found = features(np.zeros((2, 384)), np.array([0.0, 1.0]), np.zeros((2, CASE_FEATURES), dtype=np.float32))
    assert np.isfinite(found).all()
    assert found.shape == (2, 384 + 1 + CASE_FEATURES)


def test_what_ships_fits() -> None:
    head, tables = read_head()
    given_ = features(np.zeros((3, 384)), np.full(3, 0.1), np.zeros((3, CASE_FEATURES), dtype=np.float32))
    assert head(given_).shape == (3,)
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
