"""``weighbridge spend forecast``: what the period will have cost at its end."""

from __future__ import annotations

import argparse
from decimal import Decimal, InvalidOperation
from typing import Any

from gateway.cli import output
from gateway.cli.operator_client import OperatorClient
from gateway.core.forecast import LEAST_DAYS, Forecast, outlook

_NANO = 10**9


def run(args: argparse.Namespace, operator: OperatorClient) -> int:
    """Ask, put the budget beside it, and show."""
    budget = None
    if args.budget is not None:
        try:
            budget = int(Decimal(args.budget) * _NANO)
        except (InvalidOperation, ValueError, OverflowError):
            budget = 0
        if budget <= 0:
            output.complain("--budget takes an amount of US dollars, such as 500")
            return output.USAGE
    answer = operator.get("/api/spend/forecast", {"by": args.by, "per": args.per, "zone": args.zone})
    rows = [row if budget is None else _against(row, budget) for row in answer["rows"]]
    if args.json:
        output.write_json(rows)
    elif rows:
        # A budget that nobody gave is no column.
        columns = [name for name in output.columns_of(rows) if name != "budget_nanousd" or any(r[name] for r in rows)]
        output.write(output.table(columns, rows))
        output.write(f"The {answer['per']} from {answer['begins']} to {answer['ends']}. ")
        output.write(
            "The range holds four times in five, if days and weeks go on to differ as they did. "
            f"Less than {LEAST_DAYS} days of history are too little data.\n"
        )
    else:
        output.write("Nothing was recorded in the last weeks.\n")
    return output.DONE


def _against(row: dict[str, Any], budget_nanousd: int) -> dict[str, Any]:
    found = Forecast(
        expected_nanousd=row["forecast_nanousd"],
        low_nanousd=row["low_nanousd"],
        high_nanousd=row["high_nanousd"],
        history_days=row["history_days"],
    )
    return {**row, "budget_nanousd": budget_nanousd, "outlook": outlook(found, budget_nanousd)}
