"""How likely two questions ask for the same, by their embeddings alone: a small network over where these differ.

A cosine weighs all that an embedding tells alike: what a sentence is about counts as much as whether it denies it. The
network has learned which of it an answer turns on. It is no judge by itself: it sees no single word.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "_models" / "cache-shades.npz"
# What the network says where it cannot be asked, and the most that it says either way, in log odds.
UNKNOWN, MOST = -9.0, 9.0
# An embedding as it is kept beside a question: each number times this, rounded to a whole one of 8 bits.
SCALE = 400.0


class Shades:
    """The network.

    Args:
        numpy: The module; imported by who needs it, since a gateway without semantic answers does without.
        arrays: What was trained: ``hidden`` (differences x hidden), ``hidden_bias``, ``out``, ``out_bias``.
    """

    def __init__(self, numpy: Any, arrays: dict[str, Any]) -> None:
        self._numpy = numpy
        self._hidden, self._hidden_bias, self._out = (
            arrays[name].astype(numpy.float32) for name in ("hidden", "hidden_bias", "out")
        )
        self._out_bias = float(arrays["out_bias"][0])

    def odds(self, one: bytes, other: bytes) -> float:
        """Return the log odds that two questions ask for the same, given what :func:`kept` kept of them."""
        if len(one) != len(self._hidden) or len(other) != len(self._hidden):
            return UNKNOWN
        apart = self._numpy.frombuffer(one, "i1").astype("i2") - self._numpy.frombuffer(other, "i1")
        inner = self._numpy.abs(apart).astype("f4") @ self._hidden + self._hidden_bias
        said = float(self._numpy.maximum(inner, 0) @ self._out) + self._out_bias
        return max(-MOST, min(MOST, said))


@lru_cache(1)
def shades() -> Shades:
    """Return the network that is shipped."""
    numpy: Any = import_module("numpy")
    with numpy.load(FILE) as stored:
        return Shades(numpy, {name: stored[name] for name in stored.files})


def kept(vector: bytes) -> bytes:
    """Return an embedding, float16 at unit length, as it is kept beside a question: 8 bits for each number."""
    if not vector:
        return b""
    numpy: Any = import_module("numpy")
    numbers = numpy.frombuffer(vector, "<f2").astype("f4") * SCALE
    return numpy.clip(numpy.rint(numbers), -127, 127).astype("i1").tobytes()
