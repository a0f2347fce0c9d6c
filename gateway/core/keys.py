"""Virtual keys: what one may do, and how it is kept. No secret is: where one is read, it is digested."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from gateway.core.capture import Bodies
from gateway.core.limits import Budget

Status = Literal["active", "disabled", "expired", "revoked"]
DIGEST_BYTES = 32
# The key under which digests are made.
PEPPER_BYTES = 32
# All of them are in every worker's memory.
MAX_KEYS = 100_000


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """Whose calls these are, and what they may do.

    Attributes:
        id: Public name of the key, in records and logs.
        name: What people call the key.
        team: Whose calls these are.
        tenant: The organisation the team belongs to.
        tags: On every exchange of this key.
        models: Globs of the aliases this key may name; empty for all.
        operations: Names of operations (``chat``), and globs of routes (``/v1/files*``); empty for all.
        settable: Globs of the names of tags that a call's headers may set; ``None`` for all.
        strict: Every rule acts, as if each call asked for it.
        capture: How much is kept of the bodies of its calls; ``None`` where that is for others to say.
        budget: What all its calls may cost.
        expires_s: Seconds since 1970 when it ends; ``None`` for never.
    """

    id: str
    name: str = ""
    team: str = ""
    tenant: str = ""
    tags: dict[str, str] = {}
    models: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    settable: tuple[str, ...] | None = None
    strict: bool = False
    capture: Bodies | None = None
    budget: Budget | None = None
    expires_s: int | None = None


class DeclaredKey(Grant, frozen=True, kw_only=True):
    """A key of the configuration file. ``digest``: see :func:`digest_secret`."""

    digest: bytes


class KeySecret(msgspec.Struct, frozen=True, kw_only=True):
    """One secret of a key; while it is being exchanged for another, a key has two.

    Attributes:
        digest: :func:`digest_secret` of it, under the store's own key.
        created_s: Seconds since 1970.
        expires_s: When it ends, should that be before the key does.
    """

    digest: bytes
    created_s: int
    expires_s: int | None = None


class StoredKey(Grant, frozen=True, kw_only=True):
    """A key as the store has it.

    Attributes:
        revision: How often it was changed: whoever changes it says from which one.
        created_s: Seconds since 1970.
        disabled: It is asleep; it can be woken again.
        revoked_s: When it was ended for good.
    """

    revision: int = 1
    created_s: int
    disabled: bool = False
    revoked_s: int | None = None
    secrets: tuple[KeySecret, ...] = ()

    def status(self, now_s: float) -> Status:
        """Say whether it is good."""
        if self.revoked_s is not None:
            return "revoked"
        if self.expires_s is not None and self.expires_s <= now_s:
            return "expired"
        return "disabled" if self.disabled else "active"

    def live(self, now_s: float) -> tuple[KeySecret, ...]:
        """Give the secrets that are good."""
        if self.status(now_s) != "active":
            return ()
        return tuple(each for each in self.secrets if each.expires_s is None or each.expires_s > now_s)

    def next_end_s(self, now_s: float) -> int | None:
        """Say when it, or one of its secrets, ends next; ``None`` for never."""
        ends = [self.expires_s, *(each.expires_s for each in self.secrets)]
        return min((end for end in ends if end is not None and end > now_s), default=None)


class KeyBatch(msgspec.Struct, frozen=True, kw_only=True):
    """Keys that a store gives.

    Attributes:
        cursor: Where the next batch begins.
        keys: As they are now.
        whole: These are all there are; otherwise those that have changed since the batch before.
    """

    cursor: str
    keys: tuple[StoredKey, ...]
    whole: bool


def digest_secret(secret: bytes, pepper: bytes) -> bytes:
    """Digest a secret, so that it can be looked up without being kept.

    Args:
        secret: As the client sends it.
        pepper: 16 to 64 random bytes: a digest is worth nothing to whoever does not know them.

    Returns:
        32 bytes.
    """
    return hashlib.blake2b(secret, digest_size=DIGEST_BYTES, key=pepper).digest()
