"""What a store of answers tells about itself."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from gateway.core.cached import CachedAnswer


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """An entry as its store has it.

    Attributes:
        answer: What is kept.
        hits: How often it was given; some may not be counted yet.
        size_bytes: What it takes.
        vector: Whether questions like its own find it.
    """

    answer: CachedAnswer
    hits: int
    size_bytes: int
    vector: bool


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """The entries of one tenant, alias and model.

    Attributes:
        saved_nanousd: What their answers would have cost, each time one was given; unknown prices count nothing.
    """

    tenant: str
    alias: str
    model: str
    entries: int
    bytes: int
    hits: int
    saved_nanousd: int
    oldest_s: int


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """The whole store.

    Attributes:
        kind: ``home`` or ``redis``.
        searches: Whether questions that are alike find each other there.
        note: Why not, where that is worth a word.
        evictions: Entries that made room for others, ever.
        parts: By tenant, alias and model, the largest first.
    """

    kind: str
    searches: bool
    note: str
    entries: int
    bytes: int
    max_entries: int
    max_bytes: int
    evictions: int
    parts: tuple[Part, ...] = ()


class Tally:
    """Adds entries up by tenant, alias and model."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, str, str], list[int]] = {}

    def add(self, whose: tuple[str, str, str], *, size: int, hits: int, cost: int, stored_s: int) -> None:
        """Count one entry."""
        part = self._parts.setdefault(whose, [0, 0, 0, 0, stored_s])
        part[0] += 1
        part[1] += size
        part[2] += hits
        part[3] += hits * cost
        part[4] = min(part[4], stored_s)

    def parts(self) -> tuple[Part, ...]:
        """Give the sums, the largest first."""
        made = [
            Part(
                tenant=tenant,
                alias=alias,
                model=model,
                entries=entries,
                bytes=size,
                hits=hits,
                saved_nanousd=saved,
                oldest_s=oldest,
            )
            for (tenant, alias, model), (entries, size, hits, saved, oldest) in self._parts.items()
        ]
        return tuple(sorted(made, key=lambda part: (-part.bytes, part.tenant, part.alias, part.model)))


Wanted = Callable[[CachedAnswer], bool]
