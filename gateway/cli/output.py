"""What commands write: JSON for machines, aligned text for people, and the exit codes.

Text from clients and providers (model names, tags, bodies) is shown with its control characters made visible, so that
nobody's model name can drive somebody's terminal.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import orjson

DONE, WRONG, USAGE, UNREACHABLE = 0, 1, 2, 3

Row = Mapping[str, Any]

# C0 and C1 controls, and what turns the direction of text around.
_CONTROLS = (*range(32), *range(127, 160), *range(0x200E, 0x2010), *range(0x2028, 0x202F), *range(0x2066, 0x206A))
_VISIBLE = {code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" for code in _CONTROLS}
_VISIBLE_IN_BLOCKS = {code: text for code, text in _VISIBLE.items() if code not in (9, 10)}


class Subparsers(Protocol):
    """Where a command group registers itself (what ``add_subparsers`` returns)."""

    def add_parser(self, name: str, **kwargs: Any) -> argparse.ArgumentParser:
        """Make the parser of one command."""
        ...


def write(text: str) -> None:
    """Write to standard output.

    Raises:
        BrokenPipeError: Nobody reads any more; :func:`closing_quietly` turns it into the end of the command.
    """
    sys.stdout.write(text)


def write_json(value: Any) -> None:
    """Write one JSON document."""
    write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def write_json_line(value: Any) -> None:
    """Write one JSON document on a line of its own, at once: somebody is following."""
    write(orjson.dumps(value).decode() + "\n")
    sys.stdout.flush()


def complain(message: str) -> None:
    """Tell the person at the terminal what is wrong."""
    sys.stderr.write(f"weighbridge: {visible(message)}\n")


def closing_quietly(command: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Make a command end without a traceback when its reader leaves (``| head``) or Ctrl-C is pressed."""

    def run(args: argparse.Namespace) -> int:
        try:
            code = command(args)
            sys.stdout.flush()
        except BrokenPipeError:
            # The interpreter flushes once more when it goes away, and must not fail on the same pipe again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return DONE
        except KeyboardInterrupt:
            return DONE
        return code

    return run


def visible(text: str) -> str:
    """One line of text with control characters spelt out."""
    return text.translate(_VISIBLE)


def usd(nanousd: int | None) -> str:
    """Money with every digit it has and at least cents; nobody's unknown is shown as zero."""
    if nanousd is None:
        return "unknown"
    whole, rest = divmod(abs(nanousd), 1_000_000_000)
    digits = f"{rest:09d}".rstrip("0")
    return f"{'-' if nanousd < 0 else ''}${whole}.{digits:0<2}"


def cell(column: str, value: Any) -> str:
    """One value as a person reads it. Columns that end in ``_nanousd`` are money."""
    if column.endswith("_nanousd") and (value is None or isinstance(value, int)):
        return usd(value)
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"
    if isinstance(value, dict | list):
        return visible(orjson.dumps(value).decode())
    return visible(str(value))


def heading(column: str) -> str:
    """A column's name over values that are shown in dollars instead of nano-dollars."""
    return column.removesuffix("_nanousd") + "_usd" if column.endswith("_nanousd") else column


def table(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """Rows under their column names, numbers to the right, the rest to the left."""
    rows = list(rows)
    texts = [[cell(column, row.get(column)) for column in columns] for row in rows]
    widths = [max(len(heading(column)), *(len(text[at]) for text in texts), 0) for at, column in enumerate(columns)]
    right = [_is_numeric(column, rows) for column in columns]

    def line(values: Sequence[str]) -> str:
        padded = (
            value.rjust(width) if to_the_right else value.ljust(width)
            for value, width, to_the_right in zip(values, widths, right, strict=True)
        )
        return "  ".join(padded).rstrip() + "\n"

    return "".join([line([heading(column) for column in columns]), *(line(text) for text in texts)])


def record(row: Row) -> str:
    """One row as lines of name and value; every column is there."""
    width = max((len(heading(column)) for column in row), default=0)
    return "".join(f"{heading(column):<{width}}  {cell(column, value)}\n" for column, value in row.items())


def block(title: str, text: str) -> str:
    """A longer text under a title, line breaks kept."""
    return f"\n{title}\n{text.translate(_VISIBLE_IN_BLOCKS).rstrip()}\n"


def columns_of(rows: Sequence[Row]) -> list[str]:
    """Every column that occurs, in the order in which they come."""
    return list(dict.fromkeys(column for row in rows for column in row))


def _is_numeric(column: str, rows: Sequence[Row]) -> bool:
    values = [row.get(column) for row in rows]
    return column.endswith("_nanousd") or (
        any(isinstance(value, int | float) for value in values)
        and all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values)
    )
