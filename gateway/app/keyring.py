"""The virtual keys of a worker: those of the configuration, and those of the store, which it follows beside all calls.

A change acts on every worker at its next look, and so does the end of a key at the moment when it ends. A store that
cannot be read changes nothing: what is known goes on to hold.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable

from gateway.clients.clock import Clock
from gateway.config.settings import KeyEntry
from gateway.core.errors import GatewayError
from gateway.core.keys import PEPPER_BYTES, DeclaredKey, Grant, digest_secret
from gateway.core.limits import Budget
from gateway.identity.key_table import KeyTable
from gateway.identity.keys import KeyIdentity
from gateway.plugin.keys import KeyStore

log = logging.getLogger("weighbridge.keys")
# Revoked is revoked everywhere within twice that.
EVERY_S = 0.5
# A worker that starts does not wait longer for a store; declared keys are good without it.
FIRST_S = 5.0
_GRANTED = tuple(name for name in Grant.__struct_fields__)


class KeyRing:
    """Has the table of keys, and keeps it as the store is.

    Args:
        clock: Says what has ended.

    Attributes:
        store: ``None`` where keys are not asked for.
    """

    def __init__(self, clock: Clock) -> None:
        self.store: KeyStore | None = None
        self._clock = clock
        self._table = KeyTable(os.urandom(PEPPER_BYTES))
        self._entries: tuple[KeyEntry, ...] = ()
        self._cursor = ""
        self._failing = False

    def follow(self, store: KeyStore) -> None:
        """Say where the keys are; until they are read, none is called unknown."""
        if self.store is None:
            self.store = store
            self._table.known = False

    def identity(self, entries: tuple[KeyEntry, ...]) -> KeyIdentity:
        """Give the identity of the keys as they are now.

        Args:
            entries: What the configuration declares.
        """
        if entries != self._entries:
            self._entries = entries
            self._declare()
        return KeyIdentity(self._table)

    def budgets(self) -> dict[str, Budget]:
        """Budgets that keys have of their own, by the keys' names."""
        grants = [holder.grant for _, holder in self._table.holders.values()]
        return {grant.id: grant.budget for grant in grants if grant.budget is not None}

    async def load(self) -> None:
        """Read the store for the first time, if it can be read soon."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_S):
                await self.once()

    async def run(self, changed: Callable[[], None]) -> None:
        """Look again and again.

        Args:
            changed: Called when another identity is to take the place of the one before.
        """
        while True:
            await self._clock.sleep(self._pause_s())
            if await self.once():
                changed()

    async def once(self) -> bool:
        """Look once; says whether anything has changed."""
        changed = self._table.end(self._now_s())
        if self.store is None:
            return changed
        try:
            batch = await self.store.read(self._cursor)
            pepper = self._table.pepper if batch is None or not batch.whole else await self.store.pepper()
        except GatewayError as error:
            if not self._failing:
                log.warning("keys: %s What is known of them goes on to hold.", error.public_message)
            self._failing = True
            return changed
        if self._failing:
            log.info("keys: they can be read again")
        self._failing = False
        if batch is None:
            return changed
        if pepper != self._table.pepper:
            self._table = KeyTable(pepper, known=False)
            self._declare()
        self._table.take(batch, self._now_s())
        self._cursor = batch.cursor
        return True

    async def close(self) -> None:
        """Let go of the store."""
        if self.store is not None:
            await self.store.close()

    def _declare(self) -> None:
        pepper = self._table.pepper
        keys = [
            DeclaredKey(
                digest=digest_secret(entry.secret.reveal().encode(), pepper),
                **{name: getattr(entry, name) for name in _GRANTED},
            )
            for entry in self._entries
        ]
        self._table.declare(keys, self._now_s())

    def _now_s(self) -> float:
        return self._clock.unix_ms() / 1000

    def _pause_s(self) -> float:
        end_s = self._table.next_end_s()
        return EVERY_S if end_s is None else max(0.0, min(EVERY_S, end_s - self._now_s()))
