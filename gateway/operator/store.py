"""The trace store as the operator uses it: opened, brought up to date, written to. Reading is in ``queries``."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from gateway.operator.retention import keep
from gateway.operator.schema import migrate
from gateway.plugin.traces import TraceDriver

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A reader does not wait longer than this for a writer that hangs.
LONGEST_LANDING_S = 2.0


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """A score or a label that somebody gave to an exchange.

    Attributes:
        exchange_id: Which one.
        tenant: Whose it is.
        name: What is judged: ``helpful``, ``correct``.
        score: A number, when it is one.
        label: A word, when it is one.
        comment: Free text.
        author: Who says so.
        created_us: Microseconds since 1970.
    """

    exchange_id: str
    created_us: int
    tenant: str = ""
    name: str
    score: float | None = None
    label: str = ""
    comment: str = ""
    author: str = ""


class TraceStore:
    """Writes to the store behind a driver.

    Args:
        driver: The engine.
        body_ttl_s: How long captured bodies are kept.
        ages_s: How long other rows are, where somebody has said so; see ``retention``.
    """

    def __init__(
        self, driver: TraceDriver, *, body_ttl_s: int = 30 * 86_400, ages_s: Mapping[str, int] | None = None
    ) -> None:
        self.driver = driver
        self._ages_s = {**(ages_s or {}), "bodies": body_ttl_s}
        self._ready = False
        self._landing = asyncio.Lock()

    async def start(self) -> None:
        """Open the store and bring its tables up to date. May be called again after it failed.

        Raises:
            StoreUnavailable: It cannot be reached.
            Misconfigured: It belongs to a later version.
        """
        if self._ready:
            return
        await self.driver.open()
        await migrate(self.driver)
        await keep(self.driver, self._ages_s)
        self._ready = True

    async def close(self) -> None:
        """Let go of the store."""
        self._ready = False
        await self.driver.close()

    async def insert(self, lines: bytes, token: str) -> None:
        """Insert whole lines of the spool, once a token.

        Raises:
            StoreUnavailable: Not now.
            StoreRejected: A line among them will never do.
        """
        await self.start()
        async with self._landing:
            await self.driver.insert_lines("ingest", lines, token)

    async def landed(self) -> None:
        """Wait until the insert under way, if there is one, has reached every table.

        Each view of ``ingest`` commits for itself, so the row of an exchange can be read before its attempts can.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_LANDING_S), self._landing:
                pass

    async def add_feedback(self, feedback: Feedback, token: str) -> None:
        """Keep a judgement on an exchange, once a token.

        Raises:
            StoreUnavailable: Not now.
            StoreRejected: The exchange's id is none.
        """
        await self.start()
        row = msgspec.structs.asdict(feedback)
        created_at = _EPOCH + timedelta(microseconds=row.pop("created_us"))
        row["created_at"] = created_at.strftime("%Y-%m-%d %H:%M:%S.%f")
        await self.driver.insert_lines("feedback", msgspec.json.encode(row), token)
