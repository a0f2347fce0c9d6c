from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnxruntime
import pytest

from gateway.clients.onnx_graph import Tensor
from gateway.guards.models.encoder import (
    INPUTS,
    Dense,
    Encoder,
    EncoderGraph,
    Glance,
    Norm,
    pair_reader,
    rounded_by_output,
    sentence_embedder,
    token_classifier,
)
from gateway.guards.models.smoothing import factor
from tests.support.models import small_encoder

IDS = np.array([[1, 5, 9, 2, 2, 40], [7, 3, 0, 0, 0, 0]])
MASK = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 0, 0, 0, 0]])


def run(model: bytes, ids=IDS, mask=MASK):
    outputs: Any = onnxruntime.InferenceSession(model).run(None, {"ids": ids, "mask": mask})
    return outputs[0]


def norm(x, by: Norm):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12) * by.gain + by.bias


def reference(encoder: Encoder, ids, mask):
    """The same in plain arithmetic, one text at a time, padding left out."""
    length = int(mask.sum())
    x = norm(encoder.words[ids[:length]] + encoder.places[:length], encoder.norm)
    erf = np.vectorize(math.erf)
    for layer in encoder.layers:
        together = x @ layer.attend.weight + layer.attend.bias
        q, k, v = (part.reshape(length, encoder.heads, -1).swapaxes(0, 1) for part in np.split(together, 3, axis=-1))
        logits = q @ k.swapaxes(1, 2) / np.sqrt(q.shape[-1])
        weights = np.exp(logits - logits.max(-1, keepdims=True))
        seen = (weights / weights.sum(-1, keepdims=True) @ v).swapaxes(0, 1).reshape(length, -1)
        x = norm(seen @ layer.attended.weight + layer.attended.bias + x, layer.attended_norm)
        wide = x @ layer.widen.weight + layer.widen.bias
        wide = wide * 0.5 * (1 + erf(wide / np.sqrt(2)))
        x = norm(wide @ layer.narrow.weight + layer.narrow.bias + x, layer.narrow_norm)
    return x


def embedding(encoder: Encoder, ids, mask):
    mean = reference(encoder, ids, mask).mean(0)
    return mean / np.linalg.norm(mean)


def test_an_exact_encoder_computes_what_a_bert_computes() -> None:
    encoder = small_encoder()
    expected = [embedding(encoder, ids, mask) for ids, mask in zip(IDS, MASK, strict=True)]
    assert np.allclose(run(sentence_embedder(encoder, None)), expected, atol=1e-5)


@pytest.mark.parametrize("smoothed", [False, True])
def test_a_rounded_encoder_comes_near_it(smoothed: bool) -> None:
    encoder = small_encoder()
    layers = {
        f"{part}{number}": getattr(layer, part)
        for number, layer in enumerate(encoder.layers)
        for part in ("attend", "attended", "widen", "narrow")
    }
    ones = {name: np.ones(len(dense.weight), dtype=np.float32) for name, dense in layers.items()}
    factors = {name: factor(ones[name], dense.weight) for name, dense in layers.items()} if smoothed else {}
    exact, rounded = run(sentence_embedder(encoder, None)), run(sentence_embedder(encoder, factors))
    assert not np.array_equal(exact, rounded)
    assert (exact * rounded).sum(1).min() > 0.995


def test_two_texts_read_as_one_come_to_one_number() -> None:
    encoder = small_encoder()
    rng = np.random.default_rng(2)
    hidden, out = (
        Dense(rng.normal(size=shape).astype(np.float32), rng.normal(size=shape[1]).astype(np.float32))
        for shape in ((96, 5), (5, 1))
    )
    expected: list[Any] = []
    for ids, mask in zip(IDS, MASK, strict=True):
        x = reference(encoder, ids, mask)
        read = np.concatenate([x[0], x.mean(0)])
        expected.append(np.maximum(read @ hidden.weight + hidden.bias, 0) @ out.weight + out.bias)
    assert np.allclose(run(pair_reader(encoder, hidden, out, None)), expected, atol=1e-4)


def test_padding_changes_nothing_in_exact_arithmetic() -> None:
    model = sentence_embedder(small_encoder(), None)
    assert np.allclose(run(model)[1], run(model, IDS[1:, :2], MASK[1:, :2])[0], atol=1e-5)


def test_a_classifier_gives_logits_for_each_token() -> None:
    encoder = small_encoder()
    head = Dense(np.eye(48, 5, dtype=np.float32), np.arange(5, dtype=np.float32))
    logits = run(token_classifier(encoder, head, None))
    assert logits.shape == (2, 6, 5)
    expected = reference(encoder, IDS[0], MASK[0]) @ head.weight + head.bias
    assert np.allclose(logits[0], expected, atol=1e-4)


def test_rounded_weights_never_overflow_where_two_products_are_added_in_16_bits() -> None:
    weight = np.random.default_rng(1).standard_normal((300, 20)).astype(np.float32) * 9
    rounded, scale = rounded_by_output(weight)
    assert np.abs(rounded.astype(int)).max() * 255 * 2 < 1 << 15
    assert np.abs(rounded * scale - weight).max() <= scale.max() / 2 + 1e-6


def test_what_each_layer_takes_in_can_be_found() -> None:
    written = EncoderGraph("x", None)
    written.write(small_encoder(layers=1))
    assert list(written.taken) == ["attend0", "attended0", "widen0", "narrow0"]


def glancing(at: float, layers: int = 1) -> bytes:
    """A classifier whose glance sees one number of each token, and goes on where it is above a mark in any of them."""
    head = Dense(np.eye(48, 5, dtype=np.float32), np.arange(5, dtype=np.float32))
    hidden = Dense(np.eye(48, 2, dtype=np.float32), np.zeros(2, dtype=np.float32))
    out = Dense(np.array([[1], [0]], dtype=np.float32), np.array([-at], dtype=np.float32))
    return token_classifier(small_encoder(), head, None, Glance(layers, hidden, out))


@pytest.mark.parametrize("layers", [0, 1])
def test_where_a_glance_sees_something_all_layers_are_run(layers: int) -> None:
    head = Dense(np.eye(48, 5, dtype=np.float32), np.arange(5, dtype=np.float32))
    whole: Any = onnxruntime.InferenceSession(token_classifier(small_encoder(), head, None))
    early: Any = onnxruntime.InferenceSession(glancing(-1, layers))
    given = {"ids": IDS[:1], "mask": MASK[:1]}
    for expected, found in zip(whole.run(None, given), early.run(None, given), strict=True):
        assert np.allclose(expected, found, atol=1e-5)


def test_where_it_sees_nothing_there_are_no_tokens() -> None:
    session: Any = onnxruntime.InferenceSession(glancing(1_000))
    logits, hidden = session.run(None, {"ids": IDS[:1], "mask": MASK[:1]})
    assert logits.shape == (1, 0, 5)
    assert hidden.shape == (1, 0, 48)


def test_a_glance_sees_every_token_but_the_marks() -> None:
    written = EncoderGraph("x", None)
    encoder = small_encoder()
    seen = written.layers(encoder, written.begin(encoder), range(1))
    model = written.graph.encode(INPUTS, [Tensor(seen, "FLOAT", ("batch", "tokens", "width"))])
    between = np.maximum(run(model, IDS[:1], MASK[:1])[0, 1:-1, 0], 0).max()
    for at, tokens in ((between - 1e-3, 6), (between + 1e-3, 0)):
        assert run(glancing(at), IDS[:1], MASK[:1]).shape[1] == tokens
