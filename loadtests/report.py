"""Rows to markdown: medians over rounds; ratios and added times are taken inside a round, then their median."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from typing import Any

from loadtests.scenarios import SCENARIOS, Scenario

Row = dict[str, Any]
Figure = Callable[[Row], float | None]
YARDSTICK = "envoy"


def median(values: Iterable[float | None]) -> float | None:
    """The median of what is known; ``None`` when nothing is."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def shown(value: float | None, digits: int = 0) -> str:
    """A cell: figures with thousands marked, a dash for what nobody measured."""
    return "–" if value is None else f"{value:,.{digits}f}"


class Cells:
    """The rows of one scenario, by target and round."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = {(row["target"], row["round"]): row for row in rows}
        self.targets = list(dict.fromkeys(row["target"] for row in rows))
        self.rounds = sorted({row["round"] for row in rows})

    def of(self, target: str, figure: Figure) -> float | None:
        """A target's median."""
        return median(figure(row) for (name, _), row in self.rows.items() if name == target)

    def against(
        self, target: str, other: str, figure: Figure, combine: Callable[[float, float], float]
    ) -> float | None:
        """A target's figure set against another target's in the same round; the median of that."""
        pairs = ((self.rows.get((target, r)), self.rows.get((other, r))) for r in self.rounds)
        values = ((figure(a), figure(b)) for a, b in pairs if a and b)
        return median(combine(a, b) for a, b in values if a is not None and b)

    def ratio(self, target: str, figure: Figure) -> float | None:
        """A target's figure over the yardstick's."""
        return self.against(target, YARDSTICK, figure, lambda a, b: a / b)

    def added(self, target: str, figure: Figure) -> float | None:
        """What a target adds to the direct way."""
        return None if target == "direct" else self.against(target, "direct", figure, lambda a, b: a - b)

    def errors(self, target: str) -> int:
        """Everything that went wrong in the measured time, over all rounds."""
        counts = (
            row["bad"] + row["broken"] + row["incomplete"] for (name, _), row in self.rows.items() if name == target
        )
        return sum(counts)


def ms(series: str, point: str) -> Figure:
    """A percentile of a series, in milliseconds."""
    return lambda row: row[series][point] / 1000 if row[series]["n"] else None


def plain(key: str) -> Figure:
    """A figure as the row has it."""
    return lambda row: row[key]


def columns(name: str, scenario: Scenario, cells: Cells) -> list[tuple[str, Callable[[str], str]]]:
    """The columns of a scenario's table: a heading, and a cell for a target."""
    series = "latency_us" if scenario.unit == "request" else "relay_us"
    rate = plain("requests_per_s" if scenario.unit == "request" else "chunks_per_s")
    cpu = plain("cpu_us")
    table: list[tuple[str, Callable[[str], str]]] = [(f"{scenario.unit}s/s", lambda t: shown(cells.of(t, rate)))]
    if name in {"c64", "burst"}:  # only where the gateway is the limit does its rate say something
        table.append(("× Envoy", lambda t: shown(cells.ratio(t, rate), 2)))
    if scenario.unit == "chunk":
        table.append(("first chunk p50 ms", lambda t: shown(cells.of(t, ms("ttft_us", "p50")), 2)))
    for point in ("p50", "p99"):
        label = "" if scenario.unit == "request" else "relay "
        figure = ms(series, point)
        table.append((f"{label}{point} ms", lambda t, f=figure: shown(cells.of(t, f), 2)))
    if name in {"paced100", "stream64"}:
        for point in ("p50", "p99"):
            figure = ms(series, point)
            table.append((f"added {point} ms", lambda t, f=figure: shown(cells.added(t, f), 2)))
    table += [
        (f"CPU µs a {scenario.unit}", lambda t: shown(cells.of(t, cpu) or None, 1)),
        ("CPU × Envoy", lambda t: shown(cells.ratio(t, cpu) or None, 2)),
        ("RSS MB", lambda t: shown(cells.of(t, plain("rss_mb")) or None)),
        ("errors", lambda t: str(cells.errors(t))),
    ]
    return table


def markdown(rows: list[Row], heading: str) -> str:
    """The whole report."""
    parts = [heading]
    for name, scenario in SCENARIOS.items():
        cells = Cells([row for row in rows if row["scenario"] == name])
        if not cells.rows:
            continue
        table = columns(name, scenario, cells)
        lines = [f"## {name}: {scenario.title}", ""]
        lines.append("| | " + " | ".join(title for title, _ in table) + " |")
        lines.append("| --- |" + " ---: |" * len(table))
        lines += [f"| {target} | " + " | ".join(cell(target) for _, cell in table) + " |" for target in cells.targets]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"
