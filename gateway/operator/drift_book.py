"""What is counted of calls by the hour, and what comparing hours said: asked of the trace store, and kept there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from gateway.core.drift_hours import Compared, Hour
from gateway.operator import drift_sql
from gateway.operator.drift_bodies import Body
from gateway.plugin.traces import TraceDriver

# Of an hour and alias, more models or versions than that are not told apart.
_MOST_NAMES = 30
_OTHERS = "…"
# Columns that come as keys and values.
_MAPS = ("input_lengths", "output_lengths", "costs", "ttfts", "models", "versions")


class Rows(msgspec.Struct):
    """An answer of the store."""

    data: list[dict[str, Any]]


class DriftBook:
    """Reads and writes.

    Args:
        driver: The engine, opened and migrated.
    """

    def __init__(self, driver: TraceDriver) -> None:
        self._driver = driver

    async def seen(self, since_s: int, until_s: int) -> dict[int, int]:
        """How many calls each hour has that has any."""
        return await self._numbers(drift_sql.SEEN, since_s, until_s)

    async def kept(self, since_s: int, until_s: int) -> dict[int, int]:
        """How many calls each hour had when it was counted."""
        return await self._numbers(drift_sql.KEPT, since_s, until_s)

    async def count(self, hour_s: int, most: int) -> list[Hour]:
        """Count an hour, by alias and prompt: those with most calls."""
        rows = await self._rows(drift_sql.HOUR, {"hour": str(hour_s), "most": str(most)})
        return [_hour(hour_s, row) for row in rows]

    async def sample(self, hour: Hour, most: int) -> list[Body]:
        """Captured bodies of an hour: the same ones whenever it is asked."""
        asked = {"hour": str(hour.hour_s), "alias": hour.alias, "prompt": hour.prompt, "most": str(most)}
        return msgspec.convert(await self._rows(drift_sql.SAMPLE, asked), list[Body])

    async def keep(self, hours: Sequence[Hour], seen: int) -> None:
        """Keep the rows of one hour, with how many calls it had; what was kept of it before no longer counts."""
        rows = [msgspec.structs.asdict(hour) for hour in hours]
        lines = [msgspec.json.encode({**row, "hour": row.pop("hour_s"), "seen": seen}) for row in rows]
        if lines:
            await self._driver.insert_lines("drift_hours", b"\n".join(lines), f"drift-hour-{hours[0].hour_s}-{seen}")

    async def subjects(self, since_s: int, until_s: int, most: int) -> list[tuple[str, str]]:
        """Aliases and prompts that had calls then, those with most first."""
        rows = await self._rows(drift_sql.SUBJECTS, _between(since_s, until_s) | {"most": str(most)})
        return [(row["alias"], row["prompt"]) for row in rows]

    async def hours(self, subject: tuple[str, str], since_s: int, until_s: int, inside: int) -> dict[int, Hour]:
        """What is kept of an alias and prompt, of the last ``inside`` hours before that time of each day."""
        asked = {"alias": subject[0], "prompt": subject[1], "inside": str(inside * 3_600)}
        rows = await self._rows(drift_sql.HOURS, _between(since_s, until_s) | asked)
        found = msgspec.convert(rows, list[Hour], strict=False)
        return {hour.hour_s: hour for hour in found}

    async def judged_until(self) -> int:
        """When the last window ended that was compared; 0 if none was."""
        (row,) = await self._rows(drift_sql.JUDGED, {})
        return row["at"]

    async def note(self, subject: tuple[str, str], at_s: int, compared: Iterable[Compared], token: str) -> None:
        """Keep what came of a comparison."""
        alias, prompt = subject
        lines = [
            msgspec.json.encode(
                {
                    **msgspec.structs.asdict(each.finding),
                    "at": at_s, "alias": alias, "prompt": prompt, "measure": each.measure, "against": each.against,
                }
            )
            for each in compared
        ]  # fmt: skip
        await self._driver.insert_lines("drift_findings", b"\n".join(lines), token)

    async def looked(self, since_s: int, until_s: int, only: Mapping[str, str], most: int) -> list[dict[str, Any]]:
        """What was said of each measure in a span of time; ``only`` restricts alias, prompt or measure."""
        conditions = "".join(f"AND {name} = {{only_{name}:String}} " for name in only)
        asked = {f"only_{name}": value for name, value in only.items()}
        rows = await self._rows(
            drift_sql.LOOKED.replace("@only", conditions), _between(since_s, until_s) | asked | {"most": str(most)}
        )
        names = ("state", "against", "now", "usual", "what", "psi", "shift", "distance", "far", "count", "usual_count")
        return [{**row, **dict(zip(names, row.pop("said"), strict=True))} for row in rows]

    async def _numbers(self, sql: str, since_s: int, until_s: int) -> dict[int, int]:
        return {row["hour_s"]: row["calls"] for row in await self._rows(sql, _between(since_s, until_s))}

    async def _rows(self, sql: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
        return msgspec.json.decode(await self._driver.query(sql, params=params), type=Rows).data


def _between(since_s: int, until_s: int) -> dict[str, str]:
    return {"since": str(since_s), "until": str(until_s)}


def _hour(hour_s: int, row: dict[str, Any]) -> Hour:
    maps: dict[str, dict[Any, int]] = {name: dict(zip(*row[name], strict=True)) for name in _MAPS}
    for name in ("models", "versions"):
        maps[name] = _most(maps[name])
    return msgspec.convert({**row, **maps, "hour_s": hour_s}, Hour)


def _most(names: dict[str, int]) -> dict[str, int]:
    ordered = sorted(names, key=lambda name: (-names[name], name))
    kept = {name: names[name] for name in ordered[:_MOST_NAMES]}
    rest = sum(names[name] for name in ordered[_MOST_NAMES:])
    return kept | {_OTHERS: rest} if rest else kept
