"""Finds the vectors nearest to one, within groups that never see each other.

A group is what two questions must share to be neighbours at all, so that there is nothing to filter afterwards. Most
groups are small: their vectors lie side by side and all of them are compared. One that grows large gets a graph of its
own (HNSW, by usearch). Vectors are kept in eight bits a dimension: who is nearest is found with them, how near is for
whoever has the vectors themselves.

Nothing here is for two threads at once. What takes long lets other threads run meanwhile.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

# A process that loads onnxruntime after usearch's own arithmetic dies of it; the other way round both work.
with contextlib.suppress(ImportError):
    import_module("onnxruntime")
from usearch.index import Index, search

# Up to here, comparing with all takes less than a millisecond, and no graph has to be built.
FEW = 1_024
# Questions lie in islands: with less of the graph looked at, one in ten is not found among a hundred thousand.
_LINKS, _EXPANSION, _SEARCHED = 16, 64, 128
_FLOAT_BYTES, _SUM_BYTES = 2, 4
Numbers = list[int]
# The library's types are half written.
_INDEX: Any = Index


def cosine(one: bytes, other: bytes) -> float:
    """Cosine of two vectors of float16 and unit length; 0 where they are of different lengths."""
    if len(one) != len(other):
        return 0.0
    return float(np.dot(np.frombuffer(one, np.float16).astype(np.float32), np.frombuffer(other, np.float16)))


class Neighbours:
    """The vectors of all groups.

    Args:
        few: So many vectors of a group are compared one by one.
    """

    def __init__(self, few: int = FEW) -> None:
        self._few = few
        self._groups: dict[bytes, _Few | _Many] = {}
        self._places: dict[int, bytes] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, number: int) -> bool:
        return number in self._places

    def numbers(self) -> set[int]:
        """Whose vectors these are."""
        return set(self._places)

    def add(self, group: bytes, number: int, vector: bytes) -> None:
        """Add a vector.

        Args:
            group: Who it is compared with.
            number: Whose it is; no other has it.
            vector: float16, unit length.
        """
        small = _in_bytes(vector)
        if small is None or number in self._places:
            return
        held = self._groups.get(group)
        if held is None:
            held = self._groups[group] = _Few(len(small))
        elif held.width != len(small):
            # Of another model: nobody looks for the old ones any more.
            for old in list(held.numbers()):
                self.remove(old)
            held = self._groups[group] = _Few(len(small))
        elif isinstance(held, _Few) and len(held.numbers()) >= self._few:
            held = self._groups[group] = _Many.empty(held.width).taking(held)
        held.add(number, small)
        self._places[number] = group

    def remove(self, number: int) -> None:
        """Forget a vector; one that is not there is none to forget."""
        group = self._places.pop(number, None)
        if group is None:
            return
        held = self._groups[group]
        held.remove(number)
        if not held.numbers():
            del self._groups[group]

    def search(self, group: bytes, vector: bytes, most: int) -> Numbers:
        """Give whose vectors are the nearest, the nearest first."""
        held, small = self._groups.get(group), _in_bytes(vector)
        if held is None or small is None or held.width != len(small) or most < 1:
            return []
        return held.search(small, most)

    def save(self, folder: Path) -> list[Path]:
        """Write the graphs down: they take long to build.

        Args:
            folder: Is there.

        Returns:
            The files.
        """
        graphs = {folder / f"{group.hex()}.usearch": held for group, held in self._groups.items()}
        many = {path: held for path, held in graphs.items() if isinstance(held, _Many)}
        for path, held in many.items():
            held.save(path)
        return list(many)

    def load(self, group: bytes, path: Path, alive: Iterable[int]) -> int:
        """Take a graph that was written down.

        Args:
            group: Whose it is.
            path: The file.
            alive: The numbers that are of this group now; what else the graph knows is forgotten.

        Returns:
            How many vectors it brought; 0 where it is damaged, or not what it should be.
        """
        many = _Many.loaded(path)
        if many is None or group in self._groups:
            return 0
        wanted = set(alive)
        for number in many.numbers() - wanted:
            many.remove(number)
        if not many.numbers():
            return 0
        self._groups[group] = many
        self._places |= dict.fromkeys(many.numbers(), group)
        return len(many.numbers())


class _Few:
    """Vectors side by side."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._numbers: Numbers = []
        self._rows = bytearray()

    def numbers(self) -> Numbers:
        return self._numbers

    def rows(self) -> Any:
        return np.frombuffer(bytes(self._rows), np.int8).reshape(-1, self.width)

    def add(self, number: int, small: Any) -> None:
        self._numbers.append(number)
        self._rows += small.tobytes()

    def remove(self, number: int) -> None:
        # The last one takes its place.
        at, last, width = self._numbers.index(number), self._numbers.pop(), self.width
        if last != number:
            self._numbers[at] = last
            self._rows[at * width : (at + 1) * width] = self._rows[-width:]
        del self._rows[-width:]

    def search(self, small: Any, most: int) -> Numbers:
        found: Any = search(self.rows(), small, min(most, len(self._numbers)), "cos", exact=True, threads=1)
        return [self._numbers[at] for at in found.keys.tolist()]


class _Many:
    """Vectors in a graph."""

    def __init__(self, index: Any) -> None:
        self.width: int = index.ndim
        self._index = index
        self._numbers: set[int] = set(np.asarray(index.keys).tolist())

    @classmethod
    def empty(cls, width: int) -> _Many:
        return cls(
            _INDEX(
                ndim=width,
                metric="cos",
                dtype="i8",
                connectivity=_LINKS,
                expansion_add=_EXPANSION,
                expansion_search=_SEARCHED,
            )
        )

    @classmethod
    def loaded(cls, path: Path) -> _Many | None:
        try:
            data = path.read_bytes()
        except OSError:
            return None
        graph = memoryview(data)[_SUM_BYTES:]
        # The library believes what it is given, so a damaged graph would be the end of the process.
        if not len(graph) or data[:_SUM_BYTES] != crc32(graph).to_bytes(_SUM_BYTES, "big"):
            return None
        index = _INDEX.restore(graph)
        # A graph does not know how it is to be searched.
        index.expansion_search = _SEARCHED
        return cls(index)

    def taking(self, few: _Few) -> _Many:
        self._index.add(np.array(few.numbers(), np.uint64), few.rows(), threads=1)
        self._numbers.update(few.numbers())
        return self

    def numbers(self) -> set[int]:
        return self._numbers

    def add(self, number: int, small: Any) -> None:
        self._index.add(number, small, threads=1)
        self._numbers.add(number)

    def remove(self, number: int) -> None:
        self._index.remove(number)
        self._numbers.discard(number)

    def search(self, small: Any, most: int) -> Numbers:
        return [int(number) for number in self._index.search(small, most, threads=1).keys.tolist()]

    def save(self, path: Path) -> None:
        graph: bytearray = self._index.save()
        fresh = path.with_suffix(f".{os.getpid()}.new")
        with fresh.open("wb") as file:
            file.write(crc32(graph).to_bytes(_SUM_BYTES, "big"))
            file.write(graph)
        fresh.replace(path)


def _in_bytes(vector: bytes) -> Any | None:
    """Eight bits a dimension, as wide as they go: the angle is what counts."""
    if not vector or len(vector) % _FLOAT_BYTES:
        return None
    whole = np.frombuffer(vector, np.float16).astype(np.float32)
    most = float(np.abs(whole).max())
    if not 0.0 < most < np.inf:
        return None
    return np.rint(whole * (127.0 / most)).astype(np.int8)
