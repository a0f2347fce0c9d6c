"""Findings of texts that were judged before: a long conversation costs its newest turn.

Only for detectors that cost more than the digest of a text does, which is what a look-up costs. Bounded by bytes; the
text that was not seen for longest goes first. A memo belongs to one bundle, so a changed policy forgets everything.
"""

from __future__ import annotations

from hashlib import blake2b

from gateway.plugin.guard import About, Finding

MAX_BYTES = 8_388_608
# Shorter texts are judged faster than looked up.
MIN_CHARS = 256
# What an entry costs beside its findings, and what a finding costs.
_ENTRY_BYTES, _FINDING_BYTES = 300, 200

Key = tuple[str, About, bytes]


class Memo:
    """Remembers the findings of whole texts.

    Args:
        max_bytes: About how much memory it may take.
    """

    __slots__ = ("_entries", "_max_bytes", "_size", "hits", "misses")

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._size = 0
        self._entries: dict[Key, tuple[Finding, ...]] = {}
        self.hits = self.misses = 0

    def key(self, detector: str, about: About, text: str) -> Key:
        """Name a text as a detector sees it; the text itself is not kept."""
        return detector, about, blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()

    def get(self, key: Key) -> tuple[Finding, ...] | None:
        """Return what was found in a text; ``None`` when it was not seen, or is forgotten."""
        found = self._entries.pop(key, None)
        if found is None:
            self.misses += 1
            return None
        self._entries[key] = found
        self.hits += 1
        return found

    def forget(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._size = 0

    def put(self, key: Key, findings: tuple[Finding, ...]) -> None:
        """Remember what was found in a text."""
        size = _size(findings)
        if size > self._max_bytes // 8:
            return
        old = self._entries.pop(key, None)
        if old is not None:
            self._size -= _size(old)
        self._size += size
        self._entries[key] = findings
        while self._size > self._max_bytes:
            first = next(iter(self._entries))
            self._size -= _size(self._entries.pop(first))


def _size(findings: tuple[Finding, ...]) -> int:
    return _ENTRY_BYTES + _FINDING_BYTES * len(findings) + sum(len(f.replacement or "") for f in findings)
