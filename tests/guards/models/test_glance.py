from __future__ import annotations

import numpy as np

from gateway.guards.models.glance import LAYERS, glance_of, read_glance


def test_arrays_become_two_dense_layers() -> None:
    arrays = {
        "hidden": np.ones((4, 3), dtype=np.float16),
        "hidden_bias": np.zeros(3),
        "out": np.ones((3, 1)),
        "out_bias": np.array([-2.0]),
    }
    glance = glance_of(arrays)
    assert glance.layers == LAYERS
    assert glance.hidden.weight.dtype == glance.out.bias.dtype == np.float32
    assert glance.out.bias.tolist() == [-2.0]


def test_what_ships_fits_the_model_of_names() -> None:
    glance = read_glance()
    width, inner = glance.hidden.weight.shape
    assert width == 384
    assert glance.out.weight.shape == (inner, 1)
    assert all(np.isfinite(each).all() for dense in (glance.hidden, glance.out) for each in (dense.weight, dense.bias))
