"""How busy a model server says it is: where that stands, and what it said."""

from __future__ import annotations

from typing import Literal

import msgspec

ServerKind = Literal["vllm", "sglang", "triton", "trtllm"]


class LoadSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where a server's own figures are read, and how often.

    Attributes:
        kind: Whose names they have.
        url: Of its metrics, in Prometheus's text format.
    """

    kind: ServerKind
    url: str
    every_s: float = 1.0


class LoadReading(msgspec.Struct, frozen=True, kw_only=True):
    """What a server said, all its engines and models put together; ``None`` where it says nothing of it.

    Attributes:
        queue: Calls that wait for their turn.
        running: Calls that are being answered.
        kv_use: Share of the memory for keys and values that is in use, 0 to 1.
    """

    queue: float | None = None
    running: float | None = None
    kv_use: float | None = None
