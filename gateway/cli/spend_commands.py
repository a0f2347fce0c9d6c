"""The commands below ``weighbridge spend``. What they do is imported when one of them runs."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from pathlib import Path

from gateway.cli import output
from gateway.cli.operator_client import OperatorClient, add_options, asking


def register(parser: argparse.ArgumentParser) -> None:
    """Add them to the parser of ``spend``."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _reconcile(commands)
    _forecast(commands)
    _estimates(commands)


def _reconcile(commands: output.Subparsers) -> None:
    parser = commands.add_parser(
        "reconcile",
        argument_default=argparse.SUPPRESS,
        help="a provider's bill (CSV) beside what was recorded, by model and day",
        description="Compare a bill, as OpenAI's or Anthropic's console exports it or with the columns "
        "date,model,amount_usd, with what was recorded. Days are those of UTC.",
        epilog="example:\n  weighbridge spend reconcile costs.csv --max-difference 1%",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bill", metavar="BILL.csv", type=Path, help="the bill")
    parser.add_argument(
        "--max-difference",
        metavar="SHARE",
        default=None,
        help="exit 1 when the total or a model differs by more, such as 1%%",
    )
    parser.add_argument(
        "--provider",
        metavar="NAME",
        action="append",
        default=[],
        help="whose calls to compare; default: the providers that served a model of the bill",
    )
    parser.add_argument(
        "--same",
        metavar="BILLED=RECORDED",
        action="append",
        default=[],
        help="a name of the bill, and the recorded model that it stands for",
    )
    parser.add_argument("--csv", action="store_true", help="write comma-separated values")
    add_options(parser)
    parser.set_defaults(func=asking(_later("gateway.cli.spend_reconcile")))


def _forecast(commands: output.Subparsers) -> None:
    parser = commands.add_parser(
        "forecast",
        argument_default=argparse.SUPPRESS,
        help="what the day, week or month will have cost at its end, with a range",
        description="What a period will have cost at its end, from how past weeks went, hour by hour; with a range "
        "that holds four times in five, and nothing where there is too little data.",
        epilog="example:\n  weighbridge spend forecast --by team --per month --zone Europe/Berlin --budget 500",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--by", metavar="DIMENSION", default="team", help="key, team, tenant, model, alias, provider or deployment"
    )
    parser.add_argument("--per", metavar="PERIOD", default="month", help="day, week or month; default: month")
    parser.add_argument("--zone", metavar="ZONE", help="time zone of the period; default: UTC")
    parser.add_argument(
        "--budget",
        metavar="USD",
        default=None,
        help="a budget for each row; default: those of rules in alerts that match it alone",
    )
    add_options(parser)
    parser.set_defaults(func=asking(_later("gateway.cli.spend_forecast")))


def _estimates(commands: output.Subparsers) -> None:
    parser = commands.add_parser(
        "estimates",
        argument_default=argparse.SUPPRESS,
        help="how far estimates of tokens were from what providers reported",
        description="How far estimates of tokens were from what providers reported, on calls taken for comparison "
        "(telemetry.compare_estimates).",
        epilog="example:\n  weighbridge spend estimates",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.set_defaults(func=asking(_show_estimates))


def _show_estimates(args: argparse.Namespace, operator: OperatorClient) -> int:
    rows = operator.get("/api/spend/estimates", {})["estimates"]
    if args.json:
        output.write_json(rows)
    elif rows:
        output.write(output.table(output.columns_of(rows), [_percents(row) for row in rows]))
    else:
        output.write("No call has been taken for comparison yet.\n")
    return output.DONE


def _percents(row: output.Row) -> output.Row:
    shown = {name: row[name] for name in ("difference", "mean_error", "median_error_below", "p95_error_below")}
    return {**row, **{name: "" if share is None else f"{share:.1%}" for name, share in shown.items()}}


def _later(module: str) -> Callable[[argparse.Namespace, OperatorClient], int]:
    def run(args: argparse.Namespace, operator: OperatorClient) -> int:
        return int(importlib.import_module(module).run(args, operator))

    return run
