from __future__ import annotations

import asyncio

from gateway.core.caller import CallerPending
from gateway.core.errors import GatewayError


def test_it_says_what_to_wait_for_and_is_no_failure() -> None:
    waited: list[str] = []

    async def wait() -> None:
        waited.append("fetched")

    async def heed() -> None:
        await pending.wait()

    pending = CallerPending(wait)
    asyncio.run(heed())
    assert waited == ["fetched"]
    assert not isinstance(pending, GatewayError)
