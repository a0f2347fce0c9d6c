"""A shipper over a spool, with a store that keeps slices by token as the real one does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson

from gateway.clients.clock import SystemClock
from gateway.core.errors import StoreRejected, StoreUnavailable
from gateway.operator.shipper import Shipper, ShipperLimits
from gateway.recording.spool import SpoolWriter, sync
from tests.support.clock import ManualClock


class Away(StoreUnavailable):
    pass


class TokenStore:
    """Keeps what it is given once a token, as the real one does; fails as it is told.

    ``before`` fails before it takes a slice, ``after`` once it has taken it; lines with ``"bad"`` in them are refused.
    """

    def __init__(self) -> None:
        self.taken: dict[str, bytes] = {}
        self.failing = ""
        self.asked = 0

    async def insert(self, lines: bytes, token: str) -> None:
        self.asked += 1
        if self.failing == "before":
            raise Away("The store is away.")
        if self.failing == "bug":
            raise ZeroDivisionError("secret text")
        for line in lines.splitlines():
            try:
                refused = b'"bad"' in line or not isinstance(orjson.loads(line), dict)
            except orjson.JSONDecodeError:
                refused = True
            if refused:
                raise StoreRejected("bad line")
        assert self.taken.setdefault(token, lines) == lines
        if self.failing == "after":
            raise Away("The answer was lost.")

    @property
    def lines(self) -> list[bytes]:
        return [line for data in self.taken.values() for line in data.splitlines()]


def writer(directory: Path, **options) -> SpoolWriter:
    given = {"name": "w", "clock": ManualClock(), "max_bytes": 1 << 30, **options}
    return SpoolWriter(directory, **given)


def rotate(spool: SpoolWriter) -> None:
    spool._finish_segment()
    sync(spool.sync_later())


def shipping(directory: Path, store, scenario, **limits) -> None:
    async def run() -> None:
        shipper = Shipper(directory, store, SystemClock(), limits=ShipperLimits(**limits))
        try:
            await scenario(shipper)
        finally:
            shipper.close()

    asyncio.run(run())


def entries(directory: Path) -> list[dict]:
    return [
        orjson.loads(line)
        for path in sorted((directory / "poison").iterdir())
        for line in path.read_bytes().splitlines()
    ]
