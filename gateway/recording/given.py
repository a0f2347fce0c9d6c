"""The record of a call that was given a kept answer and to which nothing else happened, as its line in the spool.

Such a call is to take less than one that is fetched, and making its record would be most of it: see
:mod:`gateway.recording.ordinary`, of which this is the sibling.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from gateway.core.record import CacheRecord, ExchangeRecord
from gateway.recording.metrics import Cell

_SAME: dict[str, Any] = {
    "status": 200, "usage_source": "reported", "input_tokens": 0, "output_tokens": 0, "cost_nanousd": 0,
    "cache": "hit-exact",
}  # fmt: skip


class GivenOutcome(msgspec.Struct, gc=False):
    """What differs from call to call of :class:`~gateway.core.record.ExchangeRecord`."""

    id: str
    started_us: int
    model_served: str
    finish_reason: str
    duration_ms: float
    overhead_ms: float
    bytes_in: int
    bytes_out: int
    cached: list[CacheRecord]


class Given:
    """Writes and counts calls that were given an answer and have everything else in common.

    Args:
        template: What is the same for all of them.
        encode: Encodes a value as JSON.
        cell: Where they are counted.

    Attributes:
        template: As it is on their records.
    """

    __slots__ = ("_cell", "_encode", "_front", "template")

    def __init__(self, template: ExchangeRecord, encode: Callable[[Any], bytes], cell: Cell) -> None:
        self._encode = encode
        self._cell = cell
        self.template = msgspec.structs.replace(template, **_SAME)
        same = msgspec.to_builtins(self.template)
        left = {name: value for name, value in same.items() if name not in GivenOutcome.__struct_fields__}
        self._front = encode(left)[:-1] + b","

    def line(self, outcome: GivenOutcome) -> bytes:
        """Make the line of one call.

        Raises:
            UnicodeEncodeError: A name from the provider holds a lone surrogate.
        """
        return self._front + self._encode(outcome)[1:]

    def count(self, outcome: GivenOutcome) -> None:
        """Count one call."""
        self._cell.add((0, 0, 0, 0, 0, False, outcome.duration_ms, None, outcome.overhead_ms))
