"""Measures what a comparison costs: ``python -m training.cache_timing``."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.cache.questions import Question, read_question
from gateway.cache.shades import kept as rounded
from gateway.cache.verifier import compare

NEW = (
    "Could you please tell me how I can convert 5 miles to kilometers when I drive from Boston to Denver on March 5th"
    " and the car of my sister is faster?"
)
OLD = (
    "How do I convert 5 miles to kilometers when driving from Boston to Denver on March 5"
    " and my sister's auto is faster?"
)
_ROUNDS, _EACH = 20, 200


def least_us(what: Callable[[], object]) -> float:
    """Return the least mean CPU time of several rounds, in microseconds."""
    times: list[float] = []
    for _ in range(_ROUNDS):
        begun = time.process_time()
        for _ in range(_EACH):
            what()
        times.append((time.process_time() - begun) / _EACH)
    return min(times) * 1e6


def _numbers() -> list[NDArray[np.float64]]:
    rng = np.random.default_rng(1)
    return [rng.standard_normal(384) for _ in range(2)]


def main() -> None:
    """Print CPU time."""
    vectors = [(numbers / np.linalg.norm(numbers)).astype("<f2").tobytes() for numbers in _numbers()]
    new, old = (read_question(text, "en", rounded(vector)) for text, vector in zip((NEW, OLD), vectors, strict=True))
    kept = msgspec.msgpack.encode(old)
    print(f"words {len(NEW.split())}; read_question {least_us(lambda: read_question(NEW, 'en')):.0f} µs,")
    print(f"compare {least_us(lambda: compare(new, old, 0.95)):.0f} µs, of equal ones", end=" ")
    print(f"{least_us(lambda: compare(new, new, 0.99)):.0f} µs; kept in {len(kept)} bytes,", end=" ")
    print(f"decoded in {least_us(lambda: msgspec.msgpack.decode(kept, type=Question)):.1f} µs")


if __name__ == "__main__":
    main()
