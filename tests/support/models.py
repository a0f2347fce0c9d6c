"""The real models, built once into this checkout's own data home; and small ones that a test writes in a moment."""

from __future__ import annotations

import functools
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gateway.clients.onnx_graph import Graph, Tensor
from gateway.guards.models import building, catalog
from gateway.guards.models.encoder import Dense, Encoder, Layer, Norm

HOME = Path(__file__).parents[2] / ".weighbridge"


@functools.cache
def built_home() -> Path:
    """A data home with every model file: a quarter of a minute the first time, for the downloads; then nothing."""
    building.build(HOME, None, lambda step: None)
    return HOME


def reader(home: Path | None = None) -> Callable[[str], bytes]:
    """Reads verified files."""
    return partial(catalog.load, home or built_home())


def doubling() -> bytes:
    """A model that doubles ``x``."""
    graph = Graph("doubling")
    graph.node("Add", "x", "x", output="y")
    shape = ("n",)
    return graph.encode([Tensor("x", "FLOAT", shape)], [Tensor("y", "FLOAT", shape)])


def endless() -> bytes:
    """A model that takes minutes for ``x`` of a thousand times a thousand: many large products, one after the other."""
    graph = Graph("endless")
    made = "x"
    for _ in range(2_000):
        made = graph.node("MatMul", made, "x")
    graph.node("Identity", made, output="y")
    shape = ("n", "n")
    return graph.encode([Tensor("x", "FLOAT", shape)], [Tensor("y", "FLOAT", shape)])


def small_encoder(width: int = 48, words: int = 50, layers: int = 2, seed: int = 7) -> Encoder:
    """An encoder of chance, large enough for twelve heads."""
    rng = np.random.default_rng(seed)

    def floats(*shape: int) -> Any:
        return (rng.standard_normal(shape) * 0.3).astype(np.float32)

    def norm() -> Norm:
        return Norm(1 + floats(width), floats(width))

    def dense(inputs: int, outputs: int) -> Dense:
        return Dense(floats(inputs, outputs), floats(outputs))

    made = tuple(
        Layer(
            attend=dense(width, 3 * width),
            attended=dense(width, width),
            attended_norm=norm(),
            widen=dense(width, 2 * width),
            narrow=dense(2 * width, width),
            narrow_norm=norm(),
        )
        for _ in range(layers)
    )
    return Encoder(floats(words, width), floats(32, width), norm(), made, 12)
