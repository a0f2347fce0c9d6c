"""Placeholders for values that a model must not see.

A placeholder is typed, closed on both sides and of bounded length: ``[EMAIL_1:k7f2]`` is the first e-mail address of
its session, and its last four characters are a tag that the session's own key makes. Within a session the same value
has the same placeholder, so that a model can reason about it and a provider's prompt cache stays warm.

A vault keeps no value: it knows values by a keyed digest. What a placeholder stands for is held for one call, in its
:class:`Masks`, and only what was masked on the way in can come back on the way out.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Callable
from threading import Lock
from time import monotonic

from gateway.core.verdict import Masked

# Sessions of a process, and placeholders of a session, that are remembered. Beyond them, numbers are given anew.
MAX_SESSIONS, MAX_VALUES = 10_000, 4_096
TTL_S = 3_600.0
_LABEL_CHARS = 32
_TAG_CHARS = 4
PLACEHOLDER = re.compile(r"\[[A-Z][A-Z0-9_]{0,31}_[0-9]{1,6}:[a-z2-7]{4}\]")
# The longest: bracket, label, bar, number, colon, tag, bracket.
PLACEHOLDER_CHARS = 1 + _LABEL_CHARS + 1 + 6 + 1 + _TAG_CHARS + 1
_NOT_LABEL = re.compile(r"[^A-Z0-9_]+")
_MOST = 999_999


class Vault:
    """The placeholders of one session. May be used from several threads.

    Args:
        key: Of this session alone, 32 bytes.
    """

    __slots__ = ("_counts", "_key", "_known", "_lock", "tag", "used_s")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._counts: dict[str, int] = {}
        self._known: dict[bytes, str] = {}
        self._lock = Lock()
        digest = hashlib.blake2b(b"tag", key=key, digest_size=8).digest()
        self.tag = base64.b32encode(digest).decode()[:_TAG_CHARS].lower()
        self.used_s = 0.0

    def placeholder(self, label: str, value: str) -> str:
        """Return what stands for a value."""
        name = _clean(label)
        digest = hashlib.blake2b(f"{name}\0{value}".encode("utf-8", "replace"), key=self._key, digest_size=16).digest()
        with self._lock:
            known = self._known.get(digest)
            if known is None:
                number = self._counts.get(name, 0) % _MOST + 1
                self._counts[name] = number
                known = f"[{name}_{number}:{self.tag}]"
                if len(self._known) >= MAX_VALUES:
                    del self._known[next(iter(self._known))]
                self._known[digest] = known
            return known


class Masks:
    """What was masked in one call.

    Attributes:
        values: By placeholder.
    """

    __slots__ = ("_vault", "values")

    def __init__(self, vault: Vault | None = None) -> None:
        self._vault = vault
        self.values: dict[str, Masked] = {}

    def put(self, label: str, value: str, restore_in: tuple[str, ...]) -> str:
        """Mask a value.

        Args:
            label: Its type.
            value: The value.
            restore_in: Kinds of text in which it comes back.

        Returns:
            The placeholder.
        """
        if self._vault is None:
            # Nobody's session: a vault for this call.
            self._vault = Vault(os.urandom(32))
        placeholder = self._vault.placeholder(label, value)
        known = self.values.get(placeholder)
        if known is None:
            self.values[placeholder] = Masked(value, restore_in)
        return placeholder


class Vaults:
    """The vaults of all sessions: bounded, and each forgotten when it was not used for a while.

    Args:
        now_s: Monotonic clock.
    """

    __slots__ = ("_key", "_now_s", "_open")

    def __init__(self, now_s: Callable[[], float] = monotonic) -> None:
        self._key = os.urandom(32)
        self._now_s = now_s
        # The longest unused first.
        self._open: dict[tuple[str, str, str], Vault] = {}

    def open(self, tenant: str, caller: str, session: str) -> Vault:
        """Return the vault of a caller's session; a fresh one that nobody keeps when the call names no session.

        Two callers never share one, whatever they call their sessions.
        """
        if not session:
            return Vault(os.urandom(32))
        now = self._now_s()
        self._forget(now)
        name = (tenant, caller, session)
        vault = self._open.pop(name, None)
        if vault is None:
            whose = hashlib.blake2b(digest_size=32, key=self._key)
            for part in name:
                data = part.encode("utf-8", "replace")
                whose.update(len(data).to_bytes(4, "big"))
                whose.update(data)
            # A session that comes back after it was forgotten must not give old placeholders another meaning.
            whose.update(os.urandom(16))
            vault = Vault(whose.digest())
        self._open[name] = vault
        vault.used_s = now
        return vault

    def _forget(self, now: float) -> None:
        while self._open:
            name = next(iter(self._open))
            if len(self._open) < MAX_SESSIONS and now - self._open[name].used_s < TTL_S:
                return
            del self._open[name]


def defused(placeholder: str) -> str:
    """Return what is left of a placeholder that somebody else wrote: the same words, and no placeholder."""
    return f"({placeholder[1:-1]})"


def _clean(label: str) -> str:
    name = _NOT_LABEL.sub("_", label.upper())[:_LABEL_CHARS]
    return name if name[:1].isalpha() else f"X{name}"[:_LABEL_CHARS]
