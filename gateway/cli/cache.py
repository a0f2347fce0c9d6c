"""``weighbridge cache``: answers that are kept, how they fare, what became of a call, and forgetting some."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from gateway.cli import output
from gateway.cli.operator_client import OperatorClient, add_options, asking

_PARTS = ("tenant", "alias", "model", "entries", "bytes", "hits", "saved_nanousd")
_ENTRY = ("key", "tenant", "alias", "model", "age_s", "hits", "cost_nanousd", "size_bytes", "exchange_id")
_WHOLE = ("kind", "searches", "note", "entries", "bytes", "max_entries", "max_bytes", "evictions")
_SELECTING = ("tenant", "alias", "model", "tag", "exchange_id", "key", "older_than", "text")


def register(subparsers: output.Subparsers) -> None:
    """Add the command group to the program's parser."""
    group = subparsers.add_parser(
        "cache",
        help="answers that are kept: how they fare, why, and forgetting them",
        description="Answers that are kept to be given again, in the data home or in Redis. Asks the operator.",
    )
    commands = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _command(commands, "stats", "what is kept, by tenant, alias and model, and what it has saved", "", _stats)
    explain = _command(
        commands,
        "explain",
        "what the cache made of a call, and which answer it gave or kept",
        "0192f3a1-7c4e-7d0a-9b1c-2f6d8e4a5b3c",
        _explain,
    )
    explain.add_argument("id", metavar="ID", help="the exchange's id, from x-weighbridge-id, or an entry's key")
    forget = _command(
        commands,
        "invalidate",
        "forget the answers that are all of what is named",
        "--model gpt-4o-mini --dry-run",
        _forget,
    )
    for name, metavar, text in (
        ("tenant", "T", "of this tenant; '' for those of none"),
        ("alias", "A", "to this model name, as clients wrote it"),
        ("model", "M", "by this model, as it says itself"),
        ("tag", "K=V", "of calls with this tag"),
        ("exchange-id", "ID", "brought by this exchange"),
        ("key", "HEX", "this entry"),
        ("older-than", "AGE", "stored so long ago: 15m, 24h, 7d"),
        ("text", "WORDS", "that say this, any case; it is written down nowhere"),
    ):
        forget.add_argument(f"--{name}", metavar=metavar, help=text)
    forget.add_argument("--everything", action="store_true", help="all there are")
    forget.add_argument("--dry-run", action="store_true", help="forget none; say how many, and show some")


def _command(
    commands: Any,
    name: str,
    summary: str,
    example: str,
    work: Callable[[argparse.Namespace, OperatorClient], int],
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"example:\n  weighbridge cache {name} {example}".rstrip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.set_defaults(func=asking(work))
    return parser


def _stats(args: argparse.Namespace, operator: OperatorClient) -> int:
    survey = operator.get("/api/cache")
    if args.json:
        output.write_json(survey)
        return output.DONE
    output.write(output.record({name: survey[name] for name in _WHOLE if survey[name] != ""}))
    if survey["parts"]:
        output.write("\n" + output.table(_PARTS, survey["parts"]))
    return output.DONE


def _explain(args: argparse.Namespace, operator: OperatorClient) -> int:
    told = operator.get(f"/api/cache/explain/{quote(args.id, safe='')}")
    if args.json:
        output.write_json(told)
        return output.DONE
    if told["exchange"] is not None:
        output.write(
            output.record({name: value for name, value in told["exchange"].items() if value not in (None, "", [])})
        )
    for entry in told["entries"]:
        output.write("\nthe answer that is kept\n" + output.record(entry))
    if not told["entries"]:
        output.write("\nNo answer of it is kept.\n")
    return output.DONE


def _forget(args: argparse.Namespace, operator: OperatorClient) -> int:
    what: dict[str, Any] = {name: getattr(args, name) for name in _SELECTING if getattr(args, name) is not None}
    if args.everything:
        what["everything"] = True
    if not what:
        output.complain(
            "say which: " + ", ".join(f"--{name.replace('_', '-')}" for name in (*_SELECTING, "everything"))
        )
        return output.USAGE
    done = operator.post("/api/cache/invalidate", what | {"dry_run": args.dry_run})
    if args.json:
        output.write_json(done)
        return output.DONE
    if done["entries"]:
        output.write(output.table(_ENTRY, done["entries"]) + "\n")
    verb = "would be forgotten" if args.dry_run else "forgotten"
    output.write(f"{done['matched']} {'answer' if done['matched'] == 1 else 'answers'} {verb}.\n")
    return output.DONE
