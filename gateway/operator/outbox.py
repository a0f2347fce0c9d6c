"""Messages that wait to be delivered by a webhook: few, in order, tried again with pauses, kept over a restart.

A message is delivered at least once: whoever takes it knows by its id whether it came before.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import random
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import msgspec
import orjson

from gateway.clients.clock import Clock
from gateway.clients.guarded_post import AddressForbidden, NotDelivered

log = logging.getLogger("weighbridge.alerts")

MOST_WAITING = 100
MOST_TRIES = 10
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 300.0
# Besides 5xx: what a server says that may take it later.
_LATER = frozenset({408, 425, 429})


class Post(Protocol):
    """Sends; see :class:`gateway.clients.guarded_post.GuardedPost`."""

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> int:
        """Send a body and return the status."""
        ...


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message: its id, and its document as JSON."""

    id: str
    document: dict[str, Any]


class Outbox:
    """Delivers messages one after the other.

    Args:
        url: Where to.
        secret: Signs them; ``None``: unsigned.
        post: Sends.
        clock: Pauses.
        waiting: What waited when the process ended.
        changed: Told whenever a message came or went, so that what waits is kept.
        chance: A number from 0 to 1 each time; spreads pauses.
    """

    def __init__(
        self,
        url: str,
        secret: str | None,
        post: Post,
        clock: Clock,
        waiting: Iterable[Message] = (),
        *,
        changed: Callable[[], None] = lambda: None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._url = url
        self._secret = secret
        self._post = post
        self._clock = clock
        self._waiting = deque(waiting)
        self._changed = changed
        self._chance = chance
        self._something = asyncio.Event()
        self.results: dict[str, int] = dict.fromkeys(("delivered", "retried", "refused", "given_up", "pushed_out"), 0)

    @property
    def waiting(self) -> list[Message]:
        """What was not delivered yet, oldest first."""
        return list(self._waiting)

    def put(self, message: Message) -> None:
        """Add a message. When too many wait, the oldest is given up: newer news is better."""
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self._count("pushed_out", "too many messages wait; the oldest was given up")
        self._waiting.append(message)
        self._something.set()

    async def run(self) -> None:
        """Deliver, for ever."""
        while True:
            while not self._waiting:
                self._something.clear()
                await self._something.wait()
            message = self._waiting[0]
            await self._deliver(message)
            # It may have been pushed out meanwhile.
            if self._waiting and self._waiting[0] is message:
                self._waiting.popleft()
            self._changed()

    async def _deliver(self, message: Message) -> None:
        body = orjson.dumps(message.document)
        why = ""
        for number in range(MOST_TRIES):
            if number:
                pause_s = min(_FIRST_PAUSE_S * 2 ** (number - 1), _LONGEST_PAUSE_S)
                await self._clock.sleep(pause_s * (0.5 + self._chance() / 2))
            outcome, why = await self._try(message.id, body)
            if outcome != "retried":
                self._count(outcome, why)
                return
            self.results["retried"] += 1
        self._count("given_up", why)

    async def _try(self, message_id: str, body: bytes) -> tuple[str, str]:
        stamp = str(self._clock.unix_ms() // 1000)
        headers = {
            "content-type": "application/json",
            "user-agent": "weighbridge",
            "x-weighbridge-message": message_id,
            "x-weighbridge-timestamp": stamp,
        }
        if self._secret is not None:
            headers["x-weighbridge-signature"] = signature(self._secret, stamp, body)
        try:
            status = await self._post.post(self._url, headers, body)
        except AddressForbidden:
            return "refused", "the webhook's address is inside; alerts.webhook.allow does not name its network"
        except NotDelivered as error:
            return "retried", str(error)
        if 200 <= status < 300:
            return "delivered", ""
        retried = status >= 500 or status in _LATER
        return ("retried" if retried else "refused"), f"the webhook answered {status}"

    def _count(self, outcome: str, why: str) -> None:
        self.results[outcome] += 1
        if why:
            log.warning("an alert was not delivered: %s", why)


def signature(secret: str, stamp: str, body: bytes) -> str:
    """Sign a message and its time: ``v1=`` and HMAC-SHA256 of ``STAMP.BODY`` in hexadecimal digits."""
    return "v1=" + hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
