"""The factors by which activations are divided before they are rounded: measured once, shipped with the product."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.guards.models.catalog import SHIPPED, SMOOTHING
from gateway.guards.models.encoder import Floats

# How much of a channel's size goes over from activations to weights: the best of what was tried, see training/.
_SHARE = 0.75
_SMALLEST = 1e-5


def factors(model: str, shipped: Path = SHIPPED) -> dict[str, NDArray[Any]]:
    """Return the factors of a model's dense layers, by the layers' names."""
    with np.load(io.BytesIO((shipped / SMOOTHING).read_bytes()), allow_pickle=False) as stored:
        return {name.removeprefix(f"{model}/"): stored[name] for name in stored.files if name.startswith(f"{model}/")}


def factor(largest: Floats, weight: Floats) -> Floats:
    """Return the factor of each input of a dense layer.

    Args:
        largest: The largest absolute value seen in each input.
        weight: The layer's weight, ``float32[inputs, outputs]``.
    """
    taken = np.maximum(largest, _SMALLEST) ** _SHARE
    given = np.maximum(np.abs(weight).max(axis=1), _SMALLEST) ** (1 - _SHARE)
    raw = taken / given
    return (raw / np.exp(np.log(raw).mean())).astype(np.float32)
