"""``weighbridge check``: every error of configuration, policies and prices at once, where an editor can jump to it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from gateway.app.policies import PolicyFault, load_policies
from gateway.cli import output
from gateway.clients.chdb import NO_ENGINE, has_engine
from gateway.config.environment import Options
from gateway.config.load import load_settings
from gateway.config.price_leaps import confirm_prices
from gateway.config.settings import ChdbStore


def register(subparsers: output.Subparsers) -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser(
        "check",
        help="every error of configuration, policies and prices at once",
        description="Check the configuration with its policies and prices, run the tests inside the policies, and say "
        "everything that is wrong at once. "
        "Exit code 0 when all is well, 1 when something is wrong.",
        epilog="example:\n  weighbridge check -c weighbridge.yaml",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="the configuration file; default: ./weighbridge.yaml")
    parser.add_argument(
        "--confirm-prices", action="store_true", help="prices that leap are meant: let a running gateway take them"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document: ok, problems, notices")
    parser.set_defaults(func=check)


def check(args: argparse.Namespace) -> int:
    """Check, and say what was found."""
    result = load_settings(Options(config=args.config, confirm_prices=args.confirm_prices), os.environ, Path.cwd())
    problems, revision, left_out = result.problems, "", ()
    try:
        policies = load_policies(result.policies, result.settings, result.plugins)
        revision, left_out = policies.bundle.revision, policies.notices
    except PolicyFault as fault:
        problems = (*problems, *fault.problems)
    if args.confirm_prices and result.settings is not None and not problems:
        confirm_prices(result.settings.home, result.settings.prices.rows)
    config_hash = result.settings.config_hash if result.settings else ""
    notices = [*result.notices, *left_out]
    if result.settings is not None and isinstance(result.settings.traces, ChdbStore) and not has_engine():
        # Not wrong: with --no-operator it is not needed.
        notices.append(NO_ENGINE)
    if args.json:
        listed = [{"file": p.file, "line": p.line, "message": p.message} for p in problems]
        document = {"ok": not problems, "problems": listed, "notices": notices}
        output.write_json(document | {"config_hash": config_hash, "policy_revision": revision})
        return output.WRONG if problems else output.DONE
    for problem in problems:
        output.write(output.visible(str(problem)) + "\n")
    for notice in notices:
        output.complain(f"note: {notice}")
    if problems:
        return output.WRONG
    output.write(f"ok: configuration {config_hash}, policies {revision}\n")
    return output.DONE
