"""``weighbridge spend``: who used what, and what it cost."""

from __future__ import annotations

import argparse

from gateway.cli import output
from gateway.cli.operator_client import OperatorClient, add_options, asking

DIMENSIONS = ("key", "team", "model", "tag", "provider")


def register(subparsers: output.Subparsers) -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser(
        "spend",
        help="what was used and what it cost, by key, team, model, tag or provider",
        description="What was used and what it cost. A cost without a price is unknown, and never counted as zero.",
        epilog="example:\n  weighbridge spend --by team,model --since 7d",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--by", metavar="DIMENSIONS", default="team", help=f"one or more of {','.join(DIMENSIONS)}; default: team"
    )
    parser.add_argument("--since", metavar="AGE", default="24h", help="how far back, e.g. 15m, 24h, 7d; default: 24h")
    add_options(parser)
    parser.set_defaults(func=asking(_spend))


def _spend(args: argparse.Namespace, operator: OperatorClient) -> int:
    unknown = [name for name in args.by.split(",") if name not in DIMENSIONS]
    if unknown:
        output.complain(f"--by takes {', '.join(DIMENSIONS)}; not '{unknown[0]}'")
        return output.USAGE
    rows = operator.get("/api/spend", {"by": args.by, "since": args.since})["rows"]
    if args.json:
        output.write_json(rows)
    elif rows:
        # Money is shown once, from the column that has every digit.
        output.write(output.table([name for name in output.columns_of(rows) if name != "cost_usd"], rows))
    else:
        output.write(f"Nothing was recorded in the last {args.since}.\n")
    return output.DONE
