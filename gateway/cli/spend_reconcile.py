"""``weighbridge spend reconcile``: a provider's bill beside what was recorded."""

from __future__ import annotations

import argparse
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from gateway.cli import output
from gateway.cli.operator_client import OperatorClient
from gateway.cli.spend_csv import money, written
from gateway.config.units import parse_percent
from gateway.core.bill import BadBill, Bill, read_bill
from gateway.core.reconciling import Comparison, Recorded, compare

MOST_BYTES = 64 << 20
_TOKENS = ("billed_input_tokens", "input_tokens", "billed_output_tokens", "output_tokens")
_MONEY = ("billed_nanousd", "recorded_nanousd", "difference_nanousd")
_SHOWN = (
    "day",
    "model",
    *_MONEY,
    *_TOKENS,
    "difference_share",
    "error_bar_nanousd",
    "uncertain_share",
    "unknown_cost_calls",
    "verdict",
)


def run(args: argparse.Namespace, operator: OperatorClient) -> int:
    """Read the bill, ask for what was recorded on its days, and compare."""
    try:
        most = None if args.max_difference is None else parse_percent(args.max_difference)
    except ValueError as error:
        output.complain(f"--max-difference {error}")
        return output.USAGE
    same = dict(each.partition("=")[::2] for each in args.same)
    if not all(same.values()):
        output.complain("--same takes BILLED=RECORDED, such as 'Our Model=our-model'")
        return output.USAGE
    bill = _read(args.bill)
    if bill is None:
        return output.WRONG
    if bill.days is None:
        output.complain(f"{args.bill}: no line below the header")
        return output.WRONG
    first, last = bill.days
    asked = {"by": "day,model,provider", "since": first.isoformat(), "zone": "UTC", "provider": args.provider}
    answer = operator.get("/api/spend", {**asked, "until": (last + timedelta(days=1)).isoformat()})
    if answer["truncated"]:
        output.complain("the bill's days hold more than an answer can; split the bill by month, or give --provider")
        return output.WRONG
    found = compare(bill.lines, [_recorded(row) for row in answer["rows"]], same=same, providers=args.provider)
    _write(args, bill, found)
    beyond = [] if most is None else found.beyond(most)
    for each in beyond:
        share = each.difference_share
        how = "is billed, or recorded, alone" if share is None else f"differs by {share:+.2%}"
        output.complain(f"{each.model} {how}, more than {args.max_difference}")
    return output.WRONG if beyond else output.DONE


def _read(path: Path) -> Bill | None:
    try:
        if path.stat().st_size > MOST_BYTES:
            output.complain(f"{path}: larger than {MOST_BYTES >> 20} MiB")
            return None
        with path.open(encoding="utf-8-sig", newline="") as file:
            bill = read_bill(file)
    except OSError as error:
        output.complain(f"{path}: {error.strerror}")
    except UnicodeDecodeError:
        output.complain(f"{path}: is no text in UTF-8")
    except BadBill as error:
        output.complain(f"{path}: {error}")
    else:
        for problem in bill.problems:
            output.complain(f"{path}:{problem.line}: {problem.message}")
        if not bill.problems:
            return bill
        output.complain("nothing was compared, since a sum without these lines means nothing")
    return None


def _recorded(row: dict[str, Any]) -> Recorded:
    return Recorded(
        day=date.fromisoformat(row["day"]),
        model=row["model_served"],
        provider=row["provider"],
        calls=row["calls"],
        nanousd=row["cost_nanousd"] or 0,
        estimated_nanousd=row["estimated_nanousd"],
        priced_calls=row["priced_calls"],
        estimated_calls=row["estimated_calls"],
        unknown_calls=row["unknown_cost_calls"],
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
    )


def _write(args: argparse.Namespace, bill: Bill, found: Comparison) -> None:
    lines = [each.row() for each in found.lines]
    sums = [each.row() for each in (*found.models, found.total)]
    if args.json:
        form = {"form": bill.form, "providers": found.providers}
        output.write_json({**form, "rows": lines, "models": sums[:-1], "total": sums[-1]})
        return
    if args.csv:
        output.write(written(_SHOWN, lines))
        return
    columns = [
        name for name in _SHOWN if name not in (*_TOKENS, *_MONEY) or any(row[name] is not None for row in lines)
    ]
    if not any(row["billed_input_tokens"] or row["billed_output_tokens"] for row in lines):
        columns = [name for name in columns if name not in _TOKENS]
    output.write(output.table(columns, [*lines, *sums]))
    total = found.total
    said = f"{bill.form}; compared with the calls of {', '.join(found.providers) or 'nobody'}. "
    output.write(
        f"{said}Of the recorded calls {total.uncertain_share:.1%} were estimated or have no known cost; "
        f"the record may be off by {money(total.error_bar_nanousd)} USD.\n"
    )
