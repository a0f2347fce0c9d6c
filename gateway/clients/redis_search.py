"""The index of questions in a Redis that searches vectors: made when there is a vector, looked after, and done without.

A server without RediSearch, and an index there that is of another kind, are no failure: nothing is found by likeness
then, and :attr:`RedisSearch.note` says why.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, cast

from redis.exceptions import ResponseError

from gateway.clients.redis_cache_scripts import ANSWER, ENTRY, FAMILY, LAYOUT, VECTOR

log = logging.getLogger("weighbridge.cache")
Run = Callable[..., Awaitable[Any]]

_LINKS, _EXPANSION_ADD, _EXPANSION_SEARCH = 16, 100, 64
_FLOAT_BYTES = 2
_PLAIN = "Redis has no RediSearch: answers are found for the very same question only."
_OTHER = "The index {name} in Redis is not ours: answers are found for the very same question only."
_REFUSED = "Redis makes no index (only its database 0 has any): answers are found for the very same question only."
_QUERY = f"(@{FAMILY}:{{%s}})=>[KNN $most @{VECTOR} $vector AS apart]"


class RedisSearch:
    """What is known of the server's search.

    Args:
        run: Runs one command there.

    Attributes:
        able: Neighbours can be asked for, as far as is known.
        note: Why not.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._made: set[int] = set()
        self._missing: set[int] = set()
        self.able = True
        self.note = ""

    async def probe(self) -> None:
        """Ask whether the server can search at all."""
        try:
            await self._run("FT._LIST")
        except ResponseError:
            self._unable(_PLAIN)
            return
        if self.note == _PLAIN:
            log.info("cache: Redis has RediSearch now")
            self.able, self.note = True, ""

    async def have(self, dimensions: int) -> bool:
        """Have an index for vectors of so many dimensions; ``False``: there can be none."""
        if dimensions in self._made or not self.able:
            return self.able
        name = _name(dimensions)
        try:
            await self._run(*_creating(name, dimensions))
        except ResponseError as error:
            said = str(error).lower()
            if "already exists" not in said:
                self._unable(_PLAIN if "unknown command" in said else _REFUSED)
                return False
            if not await self._is_ours(name, dimensions):
                self._unable(_OTHER.format(name=name))
                return False
        self._made.add(dimensions)
        return True

    async def near(self, family: bytes, vector: bytes, most: int) -> list[tuple[bytes, float]]:
        """Give packed answers and cosines of the nearest in a family, the nearest first."""
        dimensions = len(vector) // _FLOAT_BYTES
        if not await self.have(dimensions):
            return []
        asked = (_name(dimensions), _QUERY % family.hex(), "PARAMS", 4, "most", most, "vector", vector)
        shown = ("SORTBY", "apart", "RETURN", 2, ANSWER, "apart", "LIMIT", 0, most, "DIALECT", 2)
        try:
            answer = cast("list[Any]", await self._run("FT.SEARCH", *asked, *shown))
        except ResponseError:
            # The index is gone, and the entries with it most likely: it is made anew for those that come.
            self._made.discard(dimensions)
            return []
        rows = [dict(zip(fields[::2], fields[1::2], strict=True)) for fields in answer[2::2] if fields]
        return [
            (row[ANSWER.encode()], 1.0 - float(row[b"apart"]))
            for row in rows
            if ANSWER.encode() in row and b"apart" in row
        ]

    async def _is_ours(self, name: str, dimensions: int) -> bool:
        said = _flat(await self._run("FT.INFO", name))
        kinds = {ENTRY.encode(), VECTOR.encode(), FAMILY.encode(), b"VECTOR", b"FLOAT16", b"COSINE", b"TAG"}
        return kinds <= said and str(dimensions).encode() in said

    def _unable(self, note: str) -> None:
        if self.note != note:
            log.warning("cache: %s", note)
        self.able, self.note = False, note


def _name(dimensions: int) -> str:
    return f"weighbridge-cache-{LAYOUT}-{dimensions}"


def _creating(name: str, dimensions: int) -> tuple[str | int, ...]:
    vector = {
        "TYPE": "FLOAT16",
        "DIM": dimensions,
        "DISTANCE_METRIC": "COSINE",
        "M": _LINKS,
        "EF_CONSTRUCTION": _EXPANSION_ADD,
        "EF_RUNTIME": _EXPANSION_SEARCH,
    }
    words = tuple(word for pair in vector.items() for word in pair)
    schema = (FAMILY, "TAG", VECTOR, "VECTOR", "HNSW", len(words), *words)
    return ("FT.CREATE", name, "ON", "HASH", "PREFIX", 1, ENTRY, "SCHEMA", *schema)


def _flat(answer: Any) -> set[bytes]:
    """All words of an answer, however it is nested."""
    if isinstance(answer, dict):
        answer = [*cast("dict[Any, Any]", answer).items()]
    if isinstance(answer, list | tuple):
        return {word for each in cast("list[Any]", answer) for word in _flat(each)}
    return {answer if isinstance(answer, bytes) else str(answer).encode()}
