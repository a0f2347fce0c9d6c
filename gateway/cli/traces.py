"""``weighbridge traces``: what passed, as it passes, one by one, as a file or by SQL."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any
from urllib.parse import quote

import orjson

from gateway.cli import output, traces_erase, traces_export, traces_runs
from gateway.cli.operator_client import OperatorClient, Refused, add_options, asking
from gateway.cli.trace_filters import add_filters, given_filters

# An exchange is in the store about half a second after its answer; a person who pastes an id is quicker than that.
_SHOW_TRIES, _SHOW_PAUSE_S = 21, 0.1
_TAIL_COLUMNS = (
    "started_at",
    "id",
    "model_requested",
    "provider",
    "status",
    "error_code",
    "verdict",
    "input_tokens",
    "output_tokens",
    "cost_nanousd",
    "duration_ms",
)
_TAIL_WIDTHS = {"started_at": 26, "id": 36, "model_requested": 24, "provider": 12, "verdict": 8}
_PARTS = ("timeline", "attempts", "guard_events", "mirrors", "feedback")


def register(subparsers: output.Subparsers) -> None:
    """Add the command group to the program's parser."""
    group = subparsers.add_parser(
        "traces",
        help="live tail; one exchange; JSONL or Parquet; SQL on the trace store",
        description="Look at recorded exchanges.",
    )
    commands = group.add_subparsers(dest="traces_command", metavar="COMMAND", required=True)
    tail = _command(
        commands,
        "tail",
        "follow exchanges as they are recorded",
        "weighbridge traces tail --failed\n  weighbridge traces tail --team support --json | jq .cost_nanousd",
    )
    tail.add_argument(
        "--limit",
        metavar="N",
        type=_positive,
        default=None,
        help="stop after N exchanges; with --json they are written as one list, else one object a line as they come",
    )
    add_filters(tail, looked_up=False)
    tail.set_defaults(func=asking(_tail))
    show = _command(
        commands,
        "show",
        "one exchange with its attempts, guard events and captured bodies",
        "weighbridge traces show 0192f3a1-7c4e-7d0a-9b1c-2f6d8e4a5b3c",
    )
    show.add_argument("id", metavar="ID", help="the exchange's id, from the answer's x-weighbridge-id header")
    show.set_defaults(func=asking(_show))
    sql = _command(
        commands,
        "sql",
        "run one read-only query on the trace store",
        'weighbridge traces sql "SELECT model_served, count() AS n FROM exchanges GROUP BY model_served"',
    )
    sql.add_argument("query", metavar="QUERY", help="ClickHouse SQL; - reads it from standard input")
    sql.set_defaults(func=asking(_sql))
    traces_export.register(commands, _command)
    traces_runs.register(commands, _command)
    traces_erase.register(commands)


def _command(commands: output.Subparsers, name: str, summary: str, example: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _tail(args: argparse.Namespace, operator: OperatorClient) -> int:
    with operator.open("GET", "/api/tail", given_filters(args)) as answer:
        exchanges = islice(_events(answer.lines()), args.limit)
        if args.json and args.limit:
            shown = list(exchanges)
            output.write_json(shown)
            return output.DONE if len(shown) == args.limit else _ended(operator)
        if not args.json:
            _write_at_once(_tail_line({column: output.heading(column) for column in _TAIL_COLUMNS}))
        number = 0
        for exchange in exchanges:
            number += 1
            if args.json:
                output.write_json_line(exchange)
            else:
                _write_at_once(_tail_line({name: output.cell(name, exchange.get(name)) for name in _TAIL_COLUMNS}))
    return output.DONE if number == args.limit else _ended(operator)


def _ended(operator: OperatorClient) -> int:
    output.complain(f"the operator at {operator.address} has ended the tail")
    return output.UNREACHABLE


def _write_at_once(text: str) -> None:
    output.write(text)
    sys.stdout.flush()


def _events(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Exchanges of the operator's event stream; what it says about itself goes to the person."""
    event = b""
    for line in lines:
        name, _, value = line.partition(b":")
        if name == b"event":
            event = value.strip()
        elif name == b"data" and event == b"exchange":
            yield orjson.loads(value)
        elif name == b"data" and event == b"skipped":
            output.complain(f"{value.decode().strip()} exchanges came too fast to be shown")
        elif not line:
            event = b""


def _tail_line(texts: dict[str, str]) -> str:
    padded = (text.ljust(_TAIL_WIDTHS.get(column, 13)) for column, text in texts.items())
    return " ".join(padded).rstrip() + "\n"


def _show(args: argparse.Namespace, operator: OperatorClient) -> int:
    exchange = _find(operator, args.id)
    if args.json:
        output.write_json(exchange)
        return output.DONE
    parts: dict[str, list[output.Row]] = {name: exchange.pop(name, []) for name in _PARTS}
    bodies: dict[str, str | None] = exchange.pop("bodies", None) or {}
    output.write(output.record(exchange))
    for name, rows in parts.items():
        if rows:
            output.write(output.block(name, output.table(output.columns_of(rows), rows)))
    for name, text in bodies.items():
        if text:
            output.write(output.block(name, text))
    return output.DONE


def _find(operator: OperatorClient, exchange_id: str) -> dict[str, Any]:
    for attempt in range(_SHOW_TRIES):
        try:
            return operator.get(f"/api/exchanges/{quote(exchange_id, safe='')}")
        except Refused as refused:
            if refused.code != "exchange_not_found" or attempt == _SHOW_TRIES - 1:
                raise
        time.sleep(_SHOW_PAUSE_S)
    raise AssertionError("the last try returns or raises")


def _sql(args: argparse.Namespace, operator: OperatorClient) -> int:
    query = sys.stdin.read() if args.query == "-" else args.query
    result = operator.post("/api/sql", {"query": query})
    if args.json:
        output.write_json(result["rows"])
    else:
        output.write(output.table(result["columns"], result["rows"]))
    if result["truncated"]:
        output.complain(f"only the first {len(result['rows'])} rows are shown; narrow the query, or use traces export")
    return output.DONE
