"""The command ``weighbridge``: finds the command group, imports only that one, runs it."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from gateway import __version__
from gateway.cli.output import USAGE, complain

# Command: its module, and the line that the overview shows. Importing a group only when it is asked for keeps
# `weighbridge traces` as quick as it should be.
COMMANDS = {
    "serve": ("gateway.cli.serve", "run the gateway"),
    "check": ("gateway.cli.check", "check configuration, policies and prices"),
    "explain-route": ("gateway.cli.explain_route", "which deployments a request goes to, and why"),
    "policy": ("gateway.cli.policy", "look policies over, run their tests, explain a verdict, replay recorded calls"),
    "models": ("gateway.cli.models", "build, list and verify the models of the guards"),
    "schema": ("gateway.cli.schema", "print the JSON Schema of a file, for editors"),
    "traces": ("gateway.cli.traces", "follow, show, query and export recorded calls"),
    "spool": ("gateway.cli.spool", "records on their way to the trace store: what waits, repair, ship"),
    "keys": ("gateway.cli.keys", "virtual keys: create, list, show, update, rotate, revoke"),
    "spend": ("gateway.cli.spend", "what calls have cost"),
    "drift": ("gateway.cli.drift", "whether calls are still like those before"),
    "cache": ("gateway.cli.cache", "answers that are kept: how they fare, why, and forgetting them"),
    "ca": ("gateway.cli.ca", "the authority that signs for hosts of models, for --intercept"),
}
LATER = ("bench",)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        0 done, 1 the thing checked is wrong, 2 usage, 3 a server could not be reached.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    for later in LATER:
        if words[: later.count(" ") + 1] == later.split():
            complain(f"'{later}' is not yet available")
            return USAGE
    parser = argparse.ArgumentParser(
        prog="weighbridge",
        description="A gateway between programs and language models: weighs, inspects and records every call.",
        epilog="example:\n  weighbridge serve --upstream https://api.openai.com/v1",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"weighbridge {__version__}")
    groups = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    chosen = words[0] if words and words[0] in COMMANDS else ""
    for name, (module, summary) in COMMANDS.items():
        if name == chosen:
            importlib.import_module(module).register(groups)
        else:
            groups.add_parser(name, help=summary)
    args = parser.parse_args(words)
    return int(args.func(args))


if __name__ == "__main__":
    sys.exit(main())
