from __future__ import annotations

import numpy as np
import pytest

from gateway.cache.shades import MOST, SCALE, UNKNOWN, Shades, kept, shades

WIDTH = 384


def unit(seed: int) -> bytes:
    numbers = np.random.default_rng(seed).standard_normal(WIDTH)
    return (numbers / np.linalg.norm(numbers)).astype("<f2").tobytes()


def test_an_embedding_is_kept_in_a_byte_for_each_number() -> None:
    made = np.frombuffer(kept(unit(1)), "i1")
    assert len(made) == WIDTH
    assert np.abs(made / SCALE - np.frombuffer(unit(1), "<f2").astype("f4")).max() <= 0.5 / SCALE + 1e-3
    assert kept(b"") == b""


def test_what_is_the_same_is_likelier_than_what_is_far_apart() -> None:
    one, other = kept(unit(1)), kept(unit(2))
    assert shades().odds(one, one) > shades().odds(one, other)
    assert shades().odds(one, other) == shades().odds(other, one)


def test_an_embedding_of_another_width_tells_nothing() -> None:
    assert shades().odds(kept(unit(1)), b"") == UNKNOWN
    assert shades().odds(kept(unit(1))[:-1], kept(unit(1))[:-1]) == UNKNOWN


@pytest.mark.parametrize(("weight", "said"), [(1.0, 3.0), (-1.0, -MOST), (100.0, MOST)])
def test_the_network_adds_up_what_differs(weight: float, said: float) -> None:
    arrays = {
        "hidden": np.ones((2, 1), dtype=np.float16),
        "hidden_bias": np.zeros(1, dtype=np.float32),
        "out": np.array([weight], dtype=np.float32),
        "out_bias": np.zeros(1, dtype=np.float32) - (0 if weight > 0 else 100),
    }
    network = Shades(np, arrays)
    one, other = np.array([3, 1], dtype="i1").tobytes(), np.array([1, 2], dtype="i1").tobytes()
    assert network.odds(one, other) == said
