from __future__ import annotations

import asyncio

import pytest

from gateway.clients.lanes import in_lanes


@pytest.mark.parametrize("lanes", [1, 2, 50])
def test_all_is_done_in_order_and_so_many_at_once(lanes: int) -> None:
    at_once = most = 0

    async def work(item: int) -> int:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1
        return item * item

    assert asyncio.run(in_lanes(range(20), lanes, work)) == [n * n for n in range(20)]
    assert most == min(lanes, 20)


def test_nothing_is_done_for_nothing() -> None:
    async def work(item: int) -> int:
        raise AssertionError

    assert asyncio.run(in_lanes([], 3, work)) == []


@pytest.mark.parametrize("lanes", [1, 3])
def test_the_first_failure_ends_the_rest(lanes: int) -> None:
    begun: list[int] = []

    async def work(item: int) -> None:
        begun.append(item)
        await asyncio.sleep(0)
        if item == 1:
            raise KeyError(item)
        await asyncio.sleep(0)

    with pytest.raises(KeyError):
        asyncio.run(in_lanes(range(100), lanes, work))
    assert len(begun) < 10
