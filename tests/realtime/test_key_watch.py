from __future__ import annotations

import asyncio

import pytest

from gateway.core.caller import CallerPending
from gateway.core.errors import AuthenticationFailed, GatewayError, StoreUnavailable
from gateway.core.exchange import Headers, Principal
from gateway.realtime.key_watch import KeyWatch
from tests.support.incoming import incoming

KEYED = Principal(key_id="k", consumed=frozenset((b"x-api-key",)))


async def nothing() -> None:
    """Wait for nothing."""


class Answers:
    """Says these in turn, then that the key is unknown."""

    def __init__(self, *said: Exception | None) -> None:
        self.said = list(said)
        self.asked = 0

    def identify(self, headers: Headers, peer: str = "") -> Principal:
        self.asked += 1
        error = self.said.pop(0) if self.said else AuthenticationFailed("no")
        if error is not None:
            raise error
        return KEYED


@pytest.mark.parametrize(
    "said", [(), (None, None), (StoreUnavailable("away", retry_after_s=1), CallerPending(nothing), None)]
)
def test_who_is_no_longer_known_is_told_of_once(said: tuple[Exception | None, ...]) -> None:
    async def main() -> None:
        told: asyncio.Future[GatewayError] = asyncio.get_running_loop().create_future()
        identity = Answers(*said)
        watch = KeyWatch(identity, incoming(), told.set_result, every_s=0)
        watch.start(KEYED)
        assert isinstance(await told, AuthenticationFailed)
        assert identity.asked == len(said) + 1
        watch.stop()

    asyncio.run(main())


@pytest.mark.parametrize("principal", [Principal(), Principal(lasting=False, consumed=KEYED.consumed)])
def test_who_has_no_key_is_not_asked_for_it(principal: Principal) -> None:
    async def main() -> None:
        identity = Answers()
        watch = KeyWatch(identity, incoming(), lambda _: None, every_s=0)
        watch.start(principal)
        for _ in range(5):
            await asyncio.sleep(0)
        watch.stop()
        assert identity.asked == 0

    asyncio.run(main())


def test_nothing_is_asked_after_the_end() -> None:
    async def main() -> None:
        identity = Answers()
        watch = KeyWatch(identity, incoming(), lambda _: None, every_s=0)
        watch.start(KEYED)
        watch.stop()
        for _ in range(5):
            await asyncio.sleep(0)
        assert identity.asked == 0

    asyncio.run(main())
