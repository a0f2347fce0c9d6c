"""The glance of the model of names: what it has learned to see behind the first layers, shipped with the product.

Most texts name nobody, and two of six layers are enough to tell: the others are then not run. It learned from what the
whole model says, and errs on the side of going on; ``training/glance.py`` says what it misses.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.guards.models.catalog import GLANCE, SHIPPED
from gateway.guards.models.encoder import Dense, Glance

# Behind so many layers.
LAYERS = 2


def glance_of(arrays: dict[str, NDArray[Any]]) -> Glance:
    """Return the glance in the arrays ``hidden``, ``hidden_bias``, ``out`` and ``out_bias``."""
    hidden, hidden_bias, out, out_bias = (
        arrays[name].astype(np.float32) for name in ("hidden", "hidden_bias", "out", "out_bias")
    )
    return Glance(LAYERS, Dense(hidden, hidden_bias), Dense(out, out_bias))


def read_glance(shipped: Path = SHIPPED) -> Glance:
    """Return the glance that ships."""
    with np.load(io.BytesIO((shipped / GLANCE).read_bytes()), allow_pickle=False) as stored:
        return glance_of({name: stored[name] for name in stored.files})
