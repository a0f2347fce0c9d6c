"""Every virtual key that is good at the moment, by the digest of its secret, and when the next of them ends."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush

from gateway.core.exchange import Principal
from gateway.core.keys import DeclaredKey, Grant, KeyBatch, StoredKey
from gateway.identity.credential import Carried


class Holder:
    """One key's principals, by the headers that carried the key: a few dozen at most."""

    __slots__ = ("_by_headers", "grant")

    def __init__(self, grant: Grant) -> None:
        self.grant = grant
        self._by_headers: dict[Carried, Principal] = {}

    def principal(self, consumed: Carried) -> Principal:
        """The caller, when these headers carried the key."""
        found = self._by_headers.get(consumed)
        if found is None:
            grant = self.grant
            found = self._by_headers[consumed] = Principal(
                key_id=grant.id,
                tenant=grant.tenant,
                team=grant.team,
                tags=grant.tags,
                models=grant.models,
                operations=grant.operations,
                settable=grant.settable,
                strict=grant.strict,
                capture=grant.capture,
                budget=grant.budget,
                consumed=frozenset((consumed,) if isinstance(consumed, bytes) else consumed),
            )
        return found


class KeyTable:
    """The keys. What is in it is good now; who asks it need not look at a clock.

    Args:
        pepper: The key under which digests are made.
        known: Whether the keys of the store are in it, where there is one: until then nobody can be called unknown.

    Attributes:
        holders: By digest, with the digest once more.
    """

    __slots__ = ("_declared", "_due", "_stored", "holders", "known", "pepper")

    def __init__(self, pepper: bytes, *, known: bool = True) -> None:
        self.pepper = pepper
        self.known = known
        self.holders: dict[bytes, tuple[bytes, Holder]] = {}
        self._declared: tuple[DeclaredKey, ...] = ()
        self._stored: dict[str, StoredKey] = {}
        self._due: list[tuple[int, str]] = []

    def declare(self, keys: Iterable[DeclaredKey], now_s: float) -> None:
        """Take the keys of the configuration in the place of those before."""
        for key in self._declared:
            self.holders.pop(key.digest, None)
        self._declared = tuple(keys)
        for key in self._declared:
            if key.expires_s is None:
                self.holders[key.digest] = (key.digest, Holder(key))
            elif key.expires_s > now_s:
                self.holders[key.digest] = (key.digest, Holder(key))
                heappush(self._due, (key.expires_s, ""))

    def take(self, batch: KeyBatch, now_s: float) -> None:
        """Take keys of the store."""
        if batch.whole:
            for key_id in self._stored.keys() - {key.id for key in batch.keys}:
                self._forget(key_id)
                del self._stored[key_id]
        for key in batch.keys:
            if self._stored.get(key.id) != key:
                self._put(key, now_s)
        self.known = True

    def end(self, now_s: float) -> bool:
        """Let go of what has ended; says whether anything has."""
        before = len(self.holders)
        while self._due and self._due[0][0] <= now_s:
            _, key_id = heappop(self._due)
            if key_id in self._stored:
                self._put(self._stored[key_id], now_s)
            elif not key_id:
                for key in self._declared:
                    if key.expires_s is not None and key.expires_s <= now_s:
                        self.holders.pop(key.digest, None)
        return len(self.holders) != before

    def next_end_s(self) -> int | None:
        """Say when the next one ends; ``None`` for never."""
        return self._due[0][0] if self._due else None

    def _put(self, key: StoredKey, now_s: float) -> None:
        holder = self._forget(key.id)
        if holder is None or not _same(holder.grant, key):
            # Another principal: whatever was found out about the one before does not hold for it.
            holder = Holder(key)
        for secret in key.live(now_s):
            self.holders.setdefault(secret.digest, (secret.digest, holder))
        self._stored[key.id] = key
        end_s = key.next_end_s(now_s)
        if end_s is not None:
            heappush(self._due, (end_s, key.id))

    def _forget(self, key_id: str) -> Holder | None:
        found: Holder | None = None
        known = self._stored.get(key_id)
        for secret in () if known is None else known.secrets:
            entry = self.holders.get(secret.digest)
            if entry is not None and entry[1].grant.id == key_id:
                found = self.holders.pop(secret.digest)[1]
        return found


def _same(one: Grant, other: Grant) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in Grant.__struct_fields__)
