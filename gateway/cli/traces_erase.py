"""``weighbridge traces erase``: takes what was said by and about somebody out of the traces; what is counted stays."""

from __future__ import annotations

import argparse
from typing import Any

from gateway.cli import output
from gateway.cli.operator_client import OperatorClient, add_options, asking

_WHOM = ("session", "key", "user", "id", "tag")
_COUNTS = ("exchanges", "bodies", "spool_lines", "poison_lines")


def register(commands: output.Subparsers) -> None:
    """Add the command to its group."""
    summary = "take what was said by and about somebody out of the traces"
    parser = commands.add_parser(
        "erase",
        help=summary,
        description=summary[0].upper() + summary[1:] + ". Bodies, session and trace ids, the tags that name them, "
        "comments and the places of hits go; tokens, money and counts stay.",
        epilog="example:\n  weighbridge traces erase --user 4711 --dry-run",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    for name, metavar, text in (
        ("session", "S", "all calls of this session"),
        ("key", "ID", "all calls with this virtual key, so far"),
        ("user", "U", "all calls for this user: the request's own field, or the tag 'user'"),
        ("id", "ID", "one exchange, and copies of it"),
        ("tag", "K=V", "all calls with this tag"),
    ):
        parser.add_argument(f"--{name}", metavar=metavar, action="append", help=f"{text}; may be given several times")
    parser.add_argument("--tenant", metavar="T", help="only calls of this tenant")
    parser.add_argument("--dry-run", action="store_true", help="erase nothing; say how much it would be")
    parser.set_defaults(func=asking(_erase))


def _erase(args: argparse.Namespace, operator: OperatorClient) -> int:
    whom: dict[str, Any] = {name: getattr(args, name) for name in _WHOM if getattr(args, name)}
    if not whom:
        output.complain("say whom: " + ", ".join(f"--{name}" for name in _WHOM))
        return output.USAGE
    if args.tenant is not None:
        whom["tenant"] = args.tenant
    done = operator.post("/api/erase", whom | {"dry_run": args.dry_run})
    if args.json:
        output.write_json(done)
        return output.DONE
    counts = ", ".join(f"{done[name]} {name.replace('_', ' ')}" for name in _COUNTS if name in done)
    output.write(f"{'Would erase' if args.dry_run else 'Erased'}: {counts}.\n")
    if done["pending"]:
        output.complain("the trace store is not done yet; the operator goes on by itself")
    return output.DONE
