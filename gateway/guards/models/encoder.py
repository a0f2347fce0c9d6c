"""A BERT encoder as an ONNX graph: six layers or so, as both of our models are, in 8-bit arithmetic.

Weights are rounded to 7 bits and a sign, one scale for each output: an 8-bit multiplication of two such numbers cannot
overflow on processors without VNNI, so what was calibrated on one machine holds on another. Activations are rounded at
run time with one scale a matrix, which a few large channels spoil: where it helps, each channel is first divided by a
factor measured once (:mod:`gateway.guards.models.smoothing` keeps them) and its weights are multiplied by it, which
changes nothing but the rounding.

Attention is onnxruntime's fused operator, so there is nothing left for its optimiser to find at load.

Xiao et al., SmoothQuant, https://arxiv.org/abs/2211.10438.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.clients.onnx_graph import CONTRIB, Graph, Tensor

Floats = NDArray[np.float32]

_EPSILON = 1e-12
# 255 · 64 · 2 is the most that fits into 16 bits with a sign, where processors add two products up.
_LARGEST = 64
INPUTS = (Tensor("ids", "INT64", ("batch", "tokens")), Tensor("mask", "INT64", ("batch", "tokens")))


class Dense(msgspec.Struct, frozen=True):
    """``x @ weight + bias``; the weight is ``float32[inputs, outputs]``."""

    weight: Floats
    bias: Floats


class Norm(msgspec.Struct, frozen=True):
    """A layer norm's gain and bias."""

    gain: Floats
    bias: Floats


class Layer(msgspec.Struct, frozen=True):
    """One layer. ``attend`` gives queries, keys and values side by side."""

    attend: Dense
    attended: Dense
    attended_norm: Norm
    widen: Dense
    narrow: Dense
    narrow_norm: Norm


class Encoder(msgspec.Struct, frozen=True):
    """A whole encoder. ``places`` is ``float32[tokens, width]``, what every first text's token gets added in it."""

    words: Floats
    places: Floats
    norm: Norm
    layers: tuple[Layer, ...]
    heads: int


class Glance(msgspec.Struct, frozen=True):
    """A small network that looks at each token behind the first layers: above zero, the others are worth their time."""

    layers: int
    hidden: Dense
    out: Dense


class EncoderGraph:
    """Writes an encoder into a graph.

    Args:
        name: What the file calls it.
        smoothing: For dense layers, by :meth:`dense`'s name, the factor of each input; a layer that is not in it is
            rounded as it is. ``None`` keeps everything in 32-bit floating point.
    """

    def __init__(self, name: str, smoothing: Mapping[str, NDArray[Any]] | None) -> None:
        self.graph = Graph(name)
        self._smoothing = smoothing
        self._mask = ""
        # What each dense layer takes in, for those who measure it.
        self.taken: dict[str, str] = {}

    def write(self, encoder: Encoder) -> str:
        """Write all layers and return the name of ``float32[batch, tokens, width]``."""
        return self.layers(encoder, self.begin(encoder), range(len(encoder.layers)))

    def begin(self, encoder: Encoder) -> str:
        """Write what stands before the layers and return its name."""
        self._mask = self.graph.node("Cast", "mask", to=_type("INT32"))
        return self._norm(self._embedded(encoder), encoder.norm)

    def layers(self, encoder: Encoder, x: str, which: range) -> str:
        """Write some of the layers, one behind the other, and return the name of the last one's output."""
        for number in which:
            graph, layer = self.graph, encoder.layers[number]
            parts = (f"{part}{number}" for part in ("q", "k", "v"))
            together = self.dense(f"attend{number}", x, layer.attend)
            queries, keys, values = graph.nodes("Split", together, outputs=tuple(parts), axis=-1, num_outputs=3)
            seen = graph.node(
                "MultiHeadAttention", queries, keys, values, "", self._mask, domain=CONTRIB, num_heads=encoder.heads
            )
            seen = self.dense(f"attended{number}", seen, layer.attended)
            x = self._norm_of_sum(seen, x, layer.attended_norm)
            wide = graph.node("Gelu", self.dense(f"widen{number}", x, layer.widen), domain=CONTRIB)
            x = self._norm_of_sum(self.dense(f"narrow{number}", wide, layer.narrow), x, layer.narrow_norm)
        return x

    def exact(self, x: str, dense: Dense, output: str = "") -> str:
        """Write a dense layer in 32-bit floating point."""
        product = self.graph.node("MatMul", x, self.graph.constant(dense.weight))
        return self.graph.node("Add", product, self.graph.constant(dense.bias), output=output)

    def dense(self, name: str, x: str, dense: Dense) -> str:
        """Write a dense layer.

        Args:
            name: By which its factors are found.
            x: ``float32[batch, tokens, inputs]``.
            dense: The layer.
        """
        graph = self.graph
        self.taken[name] = x
        if self._smoothing is None:
            return self.exact(x, dense)
        weight = dense.weight
        if name in self._smoothing:
            factor = np.asarray(self._smoothing[name], dtype=np.float32)
            x, weight = graph.node("Mul", x, graph.constant(np.float32(1) / factor)), weight * factor[:, None]
        rounded, scale = rounded_by_output(weight)
        return graph.node(
            "DynamicQuantizeMatMul",
            *(x, graph.constant(rounded), graph.constant(scale), "", graph.constant(dense.bias)),
            domain=CONTRIB,
        )

    def _embedded(self, encoder: Encoder) -> str:
        graph = self.graph
        if self._smoothing is None:
            words = graph.node("Gather", graph.constant(encoder.words), "ids")
        else:
            scale = np.maximum(np.abs(encoder.words).max(axis=1, keepdims=True), _EPSILON) / np.float32(127)
            rounded = np.rint(encoder.words / scale).astype(np.int8)
            whole = graph.node("Cast", graph.node("Gather", graph.constant(rounded), "ids"), to=_type("FLOAT"))
            words = graph.node("Mul", whole, graph.node("Gather", graph.constant(scale), "ids"))
        first = graph.constant(np.array([0], dtype=np.int64))
        count = graph.node("Shape", "ids", start=1, end=2)
        return graph.node("Add", words, graph.node("Slice", graph.constant(encoder.places), first, count, first))

    def _norm(self, x: str, norm: Norm) -> str:
        gain, bias = self.graph.constant(norm.gain), self.graph.constant(norm.bias)
        return self.graph.node("LayerNormalization", x, gain, bias, axis=-1, epsilon=_EPSILON)

    def _norm_of_sum(self, x: str, y: str, norm: Norm) -> str:
        gain, bias = self.graph.constant(norm.gain), self.graph.constant(norm.bias)
        return self.graph.node("SkipLayerNormalization", x, y, gain, bias, domain=CONTRIB, epsilon=_EPSILON)


def rounded_by_output(weight: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Round a weight to whole numbers, and return them with the scale of each output."""
    scale = (np.maximum(np.abs(weight).max(axis=0), _EPSILON) / _LARGEST).astype(np.float32)
    return np.rint(weight / scale).astype(np.int8), scale


def _type(name: str) -> int:
    """Return the number by which ONNX knows an element type (``TensorProto.DataType``)."""
    return {"FLOAT": 1, "INT32": 6}[name]


def sentence_embedder(encoder: Encoder, smoothing: Mapping[str, NDArray[Any]] | None) -> bytes:
    """Return the file of an encoder whose tokens' mean, at unit length, is the embedding: ``float32[batch, width]``."""
    written = EncoderGraph("embedder", smoothing)
    graph = written.graph
    tokens = written.write(encoder)
    graph.node("LpNormalization", _mean(graph, tokens), output="embedding", axis=-1, p=2)
    return graph.encode(INPUTS, (Tensor("embedding", "FLOAT", ("batch", encoder.words.shape[1])),))


def pair_reader(encoder: Encoder, hidden: Dense, out: Dense, smoothing: Mapping[str, NDArray[Any]] | None) -> bytes:
    """Return the file of an encoder that reads two texts as one and says one number: ``odds``, ``float32[batch, 1]``.

    Args:
        encoder: The layers.
        hidden: Above the first token and the mean of all, side by side.
        out: Above that.
        smoothing: See :class:`EncoderGraph`.
    """
    written = EncoderGraph("cross-encoder", smoothing)
    graph = written.graph
    tokens = written.write(encoder)
    first = graph.node("Gather", tokens, graph.constant(np.array(0, dtype=np.int64)), axis=1)
    read = graph.node("Concat", first, _mean(graph, tokens), axis=-1)
    written.exact(graph.node("Relu", written.exact(read, hidden)), out, "odds")
    return graph.encode(INPUTS, (Tensor("odds", "FLOAT", ("batch", len(out.bias))),))


def _mean(graph: Graph, tokens: str) -> str:
    """Write the mean of what stands in all tokens of a text and return its name."""
    mask = graph.node("Cast", "mask", to=_type("FLOAT"))
    second = graph.constant(np.array([1], dtype=np.int64))
    summed = graph.node("MatMul", graph.node("Unsqueeze", mask, second), tokens)
    return graph.node("Div", graph.node("Squeeze", summed, second), graph.node("ReduceSum", mask, second, keepdims=1))


def token_classifier(
    encoder: Encoder, head: Dense, smoothing: Mapping[str, NDArray[Any]] | None, glance: Glance | None = None
) -> bytes:
    """Return the file of an encoder that gives each token's logits, and its last hidden layer.

    They are ``logits``, ``float32[batch, tokens, labels]``, and ``hidden``, ``float32[batch, tokens, width]``. Where a
    glance behind the first layers sees nothing between the marks, the others are left out, and both have no tokens.
    """
    written = EncoderGraph("names", smoothing)
    graph = written.graph
    depth = len(encoder.layers)
    shapes = {"logits": len(head.bias), "hidden": encoder.words.shape[1]}
    if glance is None:
        tokens = written.write(encoder)
        written.exact(tokens, head, "logits")
        graph.node("Identity", tokens, output="hidden")
    else:
        x = written.layers(encoder, written.begin(encoder), range(glance.layers))
        seen = _glanced(written, x, glance)
        nothing = graph.branch()
        empty = [
            nothing.node("Identity", nothing.constant(np.zeros((1, 0, last), dtype=np.float32)))
            for last in shapes.values()
        ]
        written.graph = graph.branch()
        tokens = written.layers(encoder, x, range(glance.layers, depth))
        made = (written.exact(tokens, head), tokens)
        graph.choose(seen, (written.graph, made), (nothing, empty), tuple(shapes))
    return graph.encode(INPUTS, [Tensor(name, "FLOAT", ("batch", "tokens", last)) for name, last in shapes.items()])


def _glanced(written: EncoderGraph, x: str, glance: Glance) -> str:
    """Write the glance and return the name of its verdict on the whole batch."""
    graph = written.graph
    first, behind, axis = (graph.constant(np.array([number], dtype=np.int64)) for number in (1, -1, 1))
    inner = graph.node("Slice", x, first, behind, axis)
    odds = written.exact(graph.node("Relu", written.exact(inner, glance.hidden)), glance.out)
    return graph.node(
        "Greater", graph.node("ReduceMax", odds, keepdims=0), graph.constant(np.array(0, dtype=np.float32))
    )
