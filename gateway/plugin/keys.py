"""The seam to where virtual keys are kept: a file in the data home and Redis look the same through it."""

from __future__ import annotations

from typing import Protocol

from gateway.core.keys import KeyBatch, StoredKey


class KeyStore(Protocol):
    """Keeps keys. ``clients.key_file`` and ``clients.redis_keys`` implement it.

    Every method raises ``StoreUnavailable`` when the store cannot be reached, and ``StoreRejected`` when what it holds
    cannot be read: whoever has read keys before goes on with these.
    """

    async def pepper(self) -> bytes:
        """Give the key under which digests are made; it is drawn when it is first asked for."""
        ...

    async def read(self, cursor: str) -> KeyBatch | None:
        """Give what has changed.

        Args:
            cursor: Of the batch before; empty for all keys.

        Returns:
            ``None`` when nothing has.
        """
        ...

    async def put(self, key: StoredKey, expected: int) -> None:
        """Keep a key; it is safe when this returns.

        Args:
            key: As it is now; its revision is one more than what is expected.
            expected: The revision that it has in the store; 0 when it is new.

        Raises:
            KeyChanged: It has another one.
        """
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...
