"""How long calls take, from the roll-ups by minute: counts and quantiles, however many calls there were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from gateway.plugin.traces import TraceDriver

Row = dict[str, Any]

DIMENSIONS = {
    "deployment": "deployment",
    "provider": "provider",
    "alias": "alias",
    "model": "model_served",
    "tenant": "tenant",
}
QUANTILES = ("p50", "p90", "p95", "p99")
MEASURES = ("duration_ms", "ttft_ms", "overhead_ms")
MOST_ROWS = 1_000
_MINUTE_US = 60_000_000

# The marks in it are replaced by text of this module only.
_READ = """
SELECT @keys, sum(calls) AS calls, sum(error_calls) AS error_calls, @measures
FROM latency_by_minute
WHERE minute >= toDateTime({since:UInt32}, 'UTC') AND minute < toDateTime({until:UInt32}, 'UTC')
GROUP BY @keys ORDER BY calls DESC, @keys LIMIT {limit:UInt32}
"""
_MERGED = "quantilesTDigestMerge(0.5, 0.9, 0.95, 0.99)(latency_by_minute.@name) AS @name"


class Latency:
    """Reads them.

    Args:
        driver: The engine, opened and migrated.
    """

    def __init__(self, driver: TraceDriver) -> None:
        self._driver = driver

    async def read(self, by: Sequence[str], since_us: int, until_us: int) -> list[Row]:
        """Read quantiles.

        Args:
            by: Of :data:`DIMENSIONS`.
            since_us: From this minute on, microseconds since 1970; the minute counts whole.
            until_us: Before this one.

        Returns:
            The busiest first: the dimensions' columns, ``calls``, ``error_calls``, and of each of :data:`MEASURES` one
            column a quantile (``duration_ms_p99``), ``None`` where nothing was measured. Hits of the cache and mirrors
            are in none of them.
        """
        keys = ", ".join(DIMENSIONS[name] for name in by)
        measures = ", ".join(_MERGED.replace("@name", name) for name in MEASURES)
        params = {
            "since": str(since_us // _MINUTE_US * 60),
            "until": str(min(-(-until_us // _MINUTE_US) * 60, 2**32 - 1)),
            "limit": str(MOST_ROWS),
        }
        sql = _READ.replace("@keys", keys).replace("@measures", measures)
        rows = orjson.loads(await self._driver.query(sql, params=params))["data"]
        return [_shown(row) for row in rows]


def _shown(row: Row) -> Row:
    merged = {name: row.pop(name) for name in MEASURES}
    for name, values in merged.items():
        row |= {f"{name}_{quantile}": value for quantile, value in zip(QUANTILES, values, strict=True)}
    return row
