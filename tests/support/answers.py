"""Answers to keep, and vectors of questions."""

from __future__ import annotations

import math
import random
import struct
from hashlib import sha256
from typing import Any

from gateway.core.cached import CachedAnswer

NOW_S = 1_700_000_000
DIMENSIONS = 32


def key_of(name: str) -> bytes:
    """A key like no other's."""
    return sha256(name.encode()).digest()


def an_answer(name: str, **fields: Any) -> CachedAnswer:
    """An answer of which nothing matters but what is said."""
    usual: dict[str, Any] = {
        "key": key_of(name),
        "partition": "aa" * 16,
        "tenant": "acme",
        "alias": "fast",
        "model": "m-1",
        "policy_revision": "r-1",
        "tags": {"app": "shop"},
        "dialect": "openai_chat",
        "stream": False,
        "body": f'{{"text":"{name}"}}'.encode(),
        "stored_s": NOW_S,
        "expires_s": NOW_S + 3_600,
        "cost_nanousd": 1_000,
        "duration_ms": 10,
        "exchange_id": f"x-{name}",
        "fingerprint": b"f" * 32,
    }
    return CachedAnswer(**usual | fields)


def unit(numbers: list[float]) -> bytes:
    """A vector of float16 and unit length."""
    length = math.sqrt(sum(number * number for number in numbers))
    return struct.pack(f"{len(numbers)}e", *(number / length for number in numbers))


def a_vector(seed: int, near: int | None = None, apart: float = 0.1) -> bytes:
    """A vector of its own, or one near to another's.

    Args:
        seed: Of its own part.
        near: Seed of the other one.
        apart: How much of it is its own.
    """
    own = random.Random(seed)
    numbers = [own.gauss(0, 1) for _ in range(DIMENSIONS)]
    if near is not None:
        other = random.Random(near)
        numbers = [other.gauss(0, 1) + apart * number for number in numbers]
    return unit(numbers)
