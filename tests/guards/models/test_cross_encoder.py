from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.clients.onnx import OnnxBackend
from gateway.core.errors import ModelFailed
from gateway.guards.models import catalog, weights
from gateway.guards.models.cross_encoder import MOST_OF_ONE, CrossEncoder, corrected, head, learned, shipped_form
from gateway.guards.models.embedder import VOCABULARY
from gateway.guards.models.vocabulary import Vocabulary
from tests.guards.models.test_weights import as_bert
from tests.support.models import reader, small_encoder

QUESTION = "How do I reset my password?"


class Nobody:
    """Runs nothing."""

    async def run(self, model: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        raise AssertionError(model)

    async def run_each(self, model: str, windows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        raise AssertionError(model)

    async def close(self) -> None:
        """There is nothing to let go of."""


def read(*pairs: tuple[str, str]) -> list[float]:
    async def ask() -> list[float]:
        files = reader()
        backend = OnnxBackend(lambda model: files(f"{model}.onnx"), timeout_s=60)
        model = CrossEncoder(backend, Vocabulary(files, VOCABULARY))
        try:
            return [await model.odds(await model.pieces(one), await model.pieces(other)) for one, other in pairs]
        finally:
            await backend.close()

    return asyncio.run(ask())


def test_the_same_in_other_words_is_told_from_another_question() -> None:
    same, alike, other, far = read(
        (QUESTION, QUESTION),
        (QUESTION, "How can I set my password anew?"),
        (QUESTION, "How do I reset my phone?"),
        (QUESTION, "The cat sleeps."),
    )
    assert min(same, alike) > max(other, far)
    assert same > 0 > max(other, far)


def test_what_is_kept_of_a_question_is_two_bytes_a_piece_and_nothing_where_it_is_too_long() -> None:
    model = CrossEncoder(Nobody(), Vocabulary(reader(), VOCABULARY))
    kept = [
        asyncio.run(model.pieces(text)) for text in ("", "hello world", "so " * MOST_OF_ONE, "so " * (MOST_OF_ONE + 1))
    ]
    assert [len(each) for each in kept] == [0, 4, 2 * MOST_OF_ONE, 0]


@pytest.mark.parametrize("kept", [b"odd", bytes(2 * MOST_OF_ONE + 2)])
def test_what_nobody_can_have_kept_is_refused(kept: bytes) -> None:
    model = CrossEncoder(Nobody(), Vocabulary(reader(), VOCABULARY))
    with pytest.raises(ModelFailed, match="cannot be read"):
        asyncio.run(model.odds(kept, b"ab"))


def test_it_can_be_asked_before_it_has_cut_anything() -> None:
    async def ask() -> float:
        files = reader()
        backend = OnnxBackend(lambda model: files(f"{model}.onnx"), timeout_s=60)
        words = Vocabulary(files, VOCABULARY)
        kept = await CrossEncoder(backend, words).pieces(QUESTION)
        try:
            return await CrossEncoder(backend, words).odds(kept, kept)
        finally:
            await backend.close()

    assert asyncio.run(ask()) == pytest.approx(read((QUESTION, QUESTION))[0], abs=1e-6)


def test_a_correction_is_added_to_what_it_corrects_and_the_rest_stays() -> None:
    rng = np.random.default_rng(3)
    tensors = as_bert(small_encoder())
    width = tensors["embeddings.LayerNorm.weight"].shape[0]
    trained = {"norm.gain": rng.normal(size=width), "norm.bias": rng.normal(size=width)}
    for name, its in (
        *((part, f"attention.self.{part}") for part in ("query", "key", "value")),
        *(("attended", "attention.output.dense"), ("widen", "intermediate.dense"), ("narrow", "output.dense")),
    ):
        for number in range(len(small_encoder().layers)):
            outputs, inputs = tensors[f"encoder.layer.{number}.{its}.weight"].shape
            trained[f"layers.{number}.{name}.up"] = rng.normal(size=(outputs, 2))
            trained[f"layers.{number}.{name}.down"] = rng.normal(size=(2, inputs))
            trained[f"layers.{number}.{name}.bias"] = rng.normal(size=outputs)
            for norm in ("attended_norm", "narrow_norm"):
                trained[f"layers.{number}.{norm}.gain"] = rng.normal(size=width)
                trained[f"layers.{number}.{norm}.bias"] = rng.normal(size=width)
    made, plain = weights.minilm(corrected(tensors, trained)), weights.minilm(tensors)
    widen = trained["layers.0.widen.up"] @ trained["layers.0.widen.down"]
    assert np.allclose(made.layers[0].widen.weight - plain.layers[0].widen.weight, widen.T, atol=1e-5)
    assert np.allclose(made.layers[1].narrow_norm.gain, trained["layers.1.narrow_norm.gain"])
    assert np.allclose(made.layers[1].attend.bias[:width], trained["layers.1.query.bias"])
    assert np.array_equal(made.words, plain.words)


def test_what_ships_is_rounded_row_by_row(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    trained = {
        "layers.0.key.up": rng.normal(size=(40, 16)).astype(np.float32) * np.logspace(-3, 3, 40)[:, None],
        "norm.gain": rng.normal(size=40).astype(np.float32),
        "out.weight": np.zeros((1, 5), dtype=np.float32),
    }
    made = shipped_form(trained)
    assert made["layers.0.key.up"].dtype == np.int8
    written: dict[str, Any] = dict(made)
    with (tmp_path / catalog.DELTAS).open("wb") as file:
        np.savez_compressed(file, **written)
    read_again = learned(tmp_path)
    assert set(read_again) == set(trained)
    for name, value in trained.items():
        most = np.abs(value).max(axis=-1, keepdims=True)
        assert np.all(np.abs(read_again[name] - value) <= most / 250), name


def test_what_ships_fits_the_head_and_all_layers() -> None:
    trained = learned()
    hidden, out = head(trained)
    assert hidden.weight.shape[1] == out.weight.shape[0] == len(hidden.bias)
    assert out.weight.shape[1] == len(out.bias) == 1
    assert {name.split(".")[1] for name in trained if name.startswith("layers.")} == set("012345")
