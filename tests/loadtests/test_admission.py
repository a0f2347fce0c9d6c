"""Admitting a call is one question to the store, and one thing told: counted, not timed."""

from __future__ import annotations

import asyncio

import pytest

from loadtests.admission import in_memory, in_redis, redis
from tests.support.redis_server import needs_redis


def test_a_call_in_memory_costs_something():
    assert asyncio.run(in_memory(200, 4)).ours_us > 0


@pytest.mark.integration
@needs_redis
def test_a_call_in_redis_is_two_commands():
    with redis() as port:
        cost = asyncio.run(in_redis(port, 400, 8))
    assert cost.commands == pytest.approx(2, abs=0.05)
    assert cost.ours_us > 0
    assert cost.store_us > 0
