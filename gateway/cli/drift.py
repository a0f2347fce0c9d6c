"""``weighbridge drift``: whether calls are still like those before."""

from __future__ import annotations

import argparse
from typing import Any

from gateway.cli import output
from gateway.cli.operator_client import OperatorClient, add_options, asking

_NANO = 10**9
_COLUMNS = (
    "alias",
    "prompt",
    "measure",
    "state",
    "now",
    "usual",
    "psi",
    "shift",
    "distance",
    "far",
    "calls",
    "drifted",
)
_SELDOM = frozenset({"prompt", "psi", "shift", "distance"})
_UNSAID = ("too little data", "not measured")


def register(subparsers: output.Subparsers) -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser(
        "drift",
        help="whether calls are still like those before",
        description="Whether calls of an alias or prompt are still like those of the same hours of earlier weeks: "
        "blocks, refusals, lengths, languages, cost, time to the first token, what questions are about.",
        epilog="example:\n  weighbridge drift --alias support --since 7d",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--alias", metavar="NAME", help="only this alias")
    parser.add_argument("--prompt", metavar="NAME", help="only this prompt")
    parser.add_argument("--measure", metavar="NAME", help="only this measure, such as refusals or cost")
    parser.add_argument(
        "--since",
        metavar="WHEN",
        default="7d",
        help="windows that ended since: an age (24h, 7d) or a time; default: 7d",
    )
    parser.add_argument("--all", action="store_true", help="also what there is too little data of, or none")
    parser.add_argument("--check", action="store_true", help="exit 1 when something is drifting now")
    add_options(parser)
    parser.set_defaults(func=asking(_drift))


def _drift(args: argparse.Namespace, operator: OperatorClient) -> int:
    asked = {name: getattr(args, name) for name in ("alias", "prompt", "measure", "since")}
    answer = operator.get("/api/drift", asked)
    rows: list[dict[str, Any]] = answer["rows"]
    if args.json:
        output.write_json(rows)
    else:
        _write(rows if args.all else [row for row in rows if row["state"] not in _UNSAID], answer)
    for note in answer["notes"]:
        output.complain(note)
    drifting = any(row["state"] == "drifting" for row in rows)
    return output.WRONG if args.check and drifting else output.DONE


def _write(rows: list[dict[str, Any]], answer: dict[str, Any]) -> None:
    if not rows:
        output.write(f"Nothing could be compared since {answer['since']}.\n")
        return
    shown = [_row(row) for row in rows]
    columns = [name for name in _COLUMNS if name not in _SELDOM or any(row[name] for row in shown)]
    output.write(output.table(columns, shown))
    drifting = sum(row["state"] == "drifting" for row in rows)
    output.write(
        f"{drifting} of {len(rows)} drifting. Windows of {answer['window_hours']} hours; "
        "far is 1 where a difference is told; drifted counts the windows that were.\n"
    )


def _row(row: dict[str, Any]) -> output.Row:
    return {
        **{name: row[name] for name in ("alias", "prompt", "measure", "state")},
        "now": _amount(row, "now"),
        "usual": _amount(row, "usual"),
        "psi": _rounded(row["psi"]),
        "shift": "" if row["shift"] is None else f"×{2 ** row['shift']:.2f}",
        "distance": _rounded(row["distance"]),
        "far": _rounded(row["far"]),
        "calls": row["count"],
        "drifted": row["drifting_hours"],
    }


def _rounded(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _amount(row: dict[str, Any], name: str) -> str:
    value, unit = row[name], row["unit"]
    if value is None:
        return ""
    if not unit:
        return f"{value:.1%}" + (f" {row['what']}" if row["what"] else "")
    return f"${value / _NANO:.6f}" if unit == "nanousd" else f"{value:.0f} {unit}"
