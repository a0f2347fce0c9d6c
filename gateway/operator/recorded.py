"""Tells a worker that begins what its limits had counted: reads it from the trace store once all is in there.

A worker leaves its question as a file, and finds the answer as one: it serves meanwhile, whoever is away.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from gateway.clients.clock import Clock
from gateway.core.errors import GatewayError, StoreUnavailable
from gateway.core.recorded import MOST_GROUPS, RECORDED_FILE, WANTED_FILE, Recorded, Used, Wanted
from gateway.operator.families import Family
from gateway.plugin.traces import TraceDriver

log = logging.getLogger("weighbridge.operator")
EVERY_S = 0.25
LONGEST_PAUSE_S = 15.0
# The marks in this are replaced by text of this module, and by whole numbers.
_SQL = """
SELECT key_id, team, tenant, @tags AS labels, model_requested AS model, provider,
    toInt64(roundDown(toUnixTimestamp64Micro(started_at), [@edges])) AS edge_us,
    count() AS requests, sum(ifNull(exchanges.input_tokens, 0) + ifNull(exchanges.output_tokens, 0)) AS tokens,
    sum(ifNull(exchanges.cost_nanousd, 0)) AS nanousd
FROM exchanges
WHERE attempts > 0
    AND started_at >= fromUnixTimestamp64Micro({first:Int64}, 'UTC')
    AND started_at < fromUnixTimestamp64Micro({last:Int64}, 'UTC')
GROUP BY key_id, team, tenant, labels, model, provider, edge_us
ORDER BY nanousd DESC, tokens DESC LIMIT {limit:UInt32}
"""


_COPIES_ONLY = "mapFilter((k, v) -> k = 'weighbridge' AND v = 'mirror', tags)"


class _Rows(msgspec.Struct):
    data: list[Used]


class Shipping(Protocol):
    """Knows what of the spool is in the store."""

    async def has_shipped(self, noted: Mapping[str, int]) -> bool:
        """Whether all of some segments, up to where each went, is there."""
        ...


class OpenTraces(Protocol):
    """Has a store, once it is open."""

    def driver(self) -> TraceDriver:
        """Give it.

        Raises:
            StoreUnavailable: It is not open.
        """
        ...


class RecordedUse:
    """Answers until it is cancelled.

    Args:
        run_dir: Where questions and answers lie.
        shipping: Knows what is in the store.
        traces: Has the store.
        clock: Pauses.

    Attributes:
        waiting: A worker waits for its answer.
        answered: How often it was given.
        failed: How often the store had none.
    """

    def __init__(self, run_dir: Path, shipping: Shipping, traces: OpenTraces, clock: Clock) -> None:
        self.waiting = False
        self.answered = 0
        self.failed = 0
        self._dir = run_dir
        self._shipping = shipping
        self._traces = traces
        self._clock = clock

    async def run(self) -> None:
        """Look for questions."""
        pause_s = EVERY_S
        while True:
            try:
                await self.once()
                pause_s = EVERY_S
            except (GatewayError, OSError) as error:
                if pause_s == EVERY_S:
                    said = error.public_message if isinstance(error, GatewayError) else type(error).__name__
                    log.warning("limits: what was used before is not counted yet: %s", said)
                self.failed += 1
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            await self._clock.sleep(pause_s)

    async def once(self) -> bool:
        """Answer the question that is there, if it can be; says whether it has.

        Raises:
            StoreUnavailable: Not now.
            StoreRejected: The store does not understand us.
            OSError: The disk does not take the answer.
        """
        wanted = await asyncio.to_thread(self._wanted)
        self.waiting = wanted is not None
        if wanted is None:
            return False
        driver = self._traces.driver()
        if not await self._shipping.has_shipped(wanted.segments):
            return False
        recorded = await ask(driver, wanted)
        await asyncio.to_thread(self._answer, recorded)
        self.waiting = False
        self.answered += 1
        return True

    def _wanted(self) -> Wanted | None:
        try:
            return msgspec.json.decode((self._dir / WANTED_FILE).read_bytes(), type=Wanted)
        except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
            return None

    def _answer(self, recorded: Recorded) -> None:
        draft = self._dir / f"{RECORDED_FILE}.new"
        draft.write_bytes(msgspec.json.encode(recorded))
        draft.replace(self._dir / RECORDED_FILE)
        # A worker that has begun since then asks for itself.
        if (still := self._wanted()) is not None and still.asked == recorded.asked:
            (self._dir / WANTED_FILE).unlink(missing_ok=True)


async def ask(driver: TraceDriver, wanted: Wanted) -> Recorded:
    """Ask the store.

    Raises:
        StoreUnavailable: Not now.
        StoreRejected: It does not understand us.
    """
    edges = ", ".join(f"toInt64({edge:d})" for edge in wanted.edges)
    sql = _SQL.replace("@edges", edges).replace("@tags", "tags" if wanted.tags else _COPIES_ONLY)
    params = {"first": str(wanted.edges[0]), "last": str(wanted.edges[-1]), "limit": str(MOST_GROUPS + 1)}
    try:
        rows = msgspec.json.decode(await driver.query(sql, params=params), type=_Rows).data
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise StoreUnavailable("The trace store gave no rows.") from None
    return Recorded(asked=wanted.asked, used=rows[:MOST_GROUPS], cut=len(rows) > MOST_GROUPS)


def recorded_families(use: RecordedUse | None) -> list[Family]:
    """How it stands, as metrics."""
    waiting = Family(
        "weighbridge_limits_rebuilding", "gauge", "1 while limits lack what the store recorded before the start."
    )
    total = Family(
        "weighbridge_limits_rebuild_total", "counter", "Questions of a starting worker to the store.", ("event",)
    )
    if use is not None:
        waiting.add(int(use.waiting))
        total.add(use.answered, "answered")
        total.add(use.failed, "failed")
    return [waiting, total]
