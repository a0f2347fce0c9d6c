"""Rows as comma-separated values: money with every digit, and no text that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from gateway.cli.output import Row, heading

# What spreadsheets take for a formula when a cell begins with it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def written(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """Rows under their column names. Columns that end in ``_nanousd`` are written in dollars, exactly."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([heading(name) for name in columns])
    writer.writerows([_cell(name, row.get(name)) for name in columns] for row in rows)
    return text.getvalue()


def money(nanousd: int) -> str:
    """Dollars as a plain decimal number with every digit, at least cents."""
    whole, rest = divmod(abs(nanousd), 1_000_000_000)
    return f"{'-' if nanousd < 0 else ''}{whole}.{f'{rest:09d}'.rstrip('0'):0<2}"


def _cell(column: str, value: Any) -> str:
    if value is None:
        return ""
    if column.endswith("_nanousd"):
        return money(value)
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return str(value)
