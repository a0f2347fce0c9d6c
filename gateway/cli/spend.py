"""``weighbridge spend``: who used what, what it cost, and how much of that is known."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from gateway.cli import output, spend_commands
from gateway.cli.operator_client import OperatorClient, Refused, add_options, asking
from gateway.cli.spend_csv import money, written

ONLY = ("key", "team", "tenant", "model", "alias", "provider", "deployment", "prompt", "prompt_version", "tag")
DIMENSIONS = (*ONLY, "hour", "day", "month")
_TAG = "tag:"

_MONEY = ("cost_nanousd", "reported_nanousd", "estimated_nanousd", "untold_nanousd")
_TOKENS = (
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "audio_input_tokens",
    "image_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "audio_output_tokens",
)
_SAVINGS = ("exact_hits", "semantic_hits", "saved_nanousd", "saved_ms", "unknown_saving_hits")
_COUNTS = ("calls", *_TOKENS, *_MONEY, "unknown_cost_calls", "share", *_SAVINGS)
_ENERGIES = (
    "estimated_kwh_low",
    "estimated_kwh_high",
    "estimated_gco2e_low",
    "estimated_gco2e_high",
    "unknown_energy_calls",
)
_PACKAGE_MISSING = "package_missing"
# Shown to people only where there is something of the kind.
_SELDOM = frozenset({*_TOKENS, "untold_nanousd", *_SAVINGS} - {"input_tokens", "output_tokens"})


def register(subparsers: output.Subparsers) -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser(
        "spend",
        help="what was used and what it cost",
        description="What was used and what it cost. A cost without a price is unknown, and never counted as zero.",
        epilog="example:\n  weighbridge spend --by team,model --since 7d\n"
        "  weighbridge spend --by day,tag:env --since 2026-11-01 --zone Europe/Berlin --only team=support --csv",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--by",
        metavar="DIMENSIONS",
        default="team",
        help=f"up to four of {','.join(DIMENSIONS)},tag:KEY; default: team",
    )
    parser.add_argument(
        "--since", metavar="WHEN", default="24h", help="an age (15m, 24h, 7d) or a time (2026-11-01); default: 24h"
    )
    parser.add_argument("--until", metavar="WHEN", help="likewise; default: now")
    parser.add_argument("--zone", metavar="ZONE", help="time zone of days and hours; default: UTC")
    parser.add_argument(
        "--only",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help=f"only calls of one of {','.join(ONLY[:-1])}, or with tag=KEY=VALUE; several of one name: any of them",
    )
    parser.add_argument(
        "--energy",
        action="store_true",
        help="estimate kWh and gCO2e, too; needs the package ecologits where the operator runs",
    )
    parser.add_argument(
        "--energy-zone", metavar="COUNTRY", help="whose electricity, such as FRA; default: where the provider's is from"
    )
    parser.add_argument("--csv", action="store_true", help="write comma-separated values, money in whole digits")
    add_options(parser)
    parser.set_defaults(func=asking(_spend))
    spend_commands.register(parser)


def _spend(args: argparse.Namespace, operator: OperatorClient) -> int:
    unknown = [name for name in args.by.split(",") if name not in DIMENSIONS and not name.startswith(_TAG)]
    if unknown:
        output.complain(f"--by takes {', '.join(DIMENSIONS)}, tag:KEY; not '{unknown[0]}'")
        return output.USAGE
    if args.csv and args.json:
        output.complain("--csv and --json are two forms of one answer; take one")
        return output.USAGE
    only: dict[str, list[str]] = {}
    for each in args.only:
        name, equals, value = each.partition("=")
        if name not in ONLY or not equals:
            output.complain(f"--only takes NAME=VALUE with one of {', '.join(ONLY)}; not '{each}'")
            return output.USAGE
        only.setdefault(name, []).append(value)
    asked = {"by": args.by, "since": args.since, "until": args.until, "zone": args.zone, **only}
    if args.energy or args.energy_zone:
        asked |= {"energy": str(args.energy).lower(), "energy_zone": args.energy_zone}
    try:
        answer = operator.get("/api/spend", asked)
    except Refused as error:
        if error.code != _PACKAGE_MISSING:
            raise
        output.complain(str(error))
        return output.USAGE
    _write(args, answer)
    for note in answer["notes"]:
        output.complain(note)
    if answer["truncated"]:
        output.complain(f"only the dearest {len(answer['rows'])} rows are shown; ask for less")
    return output.DONE


def _write(args: argparse.Namespace, answer: dict[str, Any]) -> None:
    rows, total = answer["rows"], answer["total"]
    if args.json:
        output.write_json(rows)
        return
    dimensions = [name for name in output.columns_of(rows) if name not in total]
    energies = _ENERGIES if args.energy else ()
    if args.csv:
        output.write(written([*dimensions, *_COUNTS, "estimated_share", *energies], rows))
    elif rows:
        columns = [*dimensions, *_shown(rows), *energies]
        whole = {**dict.fromkeys(dimensions, ""), **total}
        if dimensions:
            whole[dimensions[0]] = "total"
        output.write(output.table(columns, [*rows, whole] if len(rows) > 1 else rows))
        output.write(_certainty(total) + _saved(total))
    else:
        output.write(f"Nothing was recorded since {answer['since']}.\n")


def _shown(rows: Sequence[output.Row]) -> list[str]:
    # An unknown saving is none that there is nothing of.
    return [name for name in _COUNTS if name not in _SELDOM or any(row[name] or row[name] is None for row in rows)]


def _certainty(total: output.Row) -> str:
    """How far the sum can be trusted, in a sentence."""
    known = total["cost_nanousd"]
    said = [f"{money(known)} USD known" if known is not None else "no cost known"]
    if known:
        said += [
            f"{total[f'{name}_nanousd'] / known:.1%} {name}"
            for name in ("reported", "estimated", "untold")
            if total[f"{name}_nanousd"]
        ]
    unknown = total["unknown_cost_calls"]
    said.append(f"{unknown} of {total['calls']} calls with unknown cost, in none of the sums")
    return f"{'; '.join(said)}.\n"


def _saved(total: output.Row) -> str:
    """What caches saved, in a sentence; empty where they gave nothing."""
    exact, semantic = total["exact_hits"], total["semantic_hits"]
    if not exact + semantic:
        return ""
    saved, unknown = total["saved_nanousd"], total["unknown_saving_hits"]
    said = [f"{exact} exact and {semantic} semantic hits of {total['calls']} calls"]
    said.append("money unknown" if saved is None else f"{money(saved)} USD")
    said.append(f"{total['saved_ms'] / 1000:.1f} s of waiting")
    if unknown and saved is not None:
        said.append(f"{unknown} hits with unknown saving, in none of the sums")
    return f"Saved by caches: {'; '.join(said)}.\n"
