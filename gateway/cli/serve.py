"""``weighbridge serve``: check everything, then start the processes."""

from __future__ import annotations

import argparse
import logging
import os
from functools import partial
from pathlib import Path

from gateway.app.launch import Launch, LaunchFault
from gateway.cli.output import DONE, WRONG, Subparsers, complain, write
from gateway.config.environment import Options
from gateway.config.load import load_settings

EXAMPLE = """example:
  weighbridge serve --upstream https://api.openai.com/v1
  curl http://127.0.0.1:8080/v1/chat/completions -H "Authorization: Bearer $OPENAI_API_KEY" \\
    -H "Content-Type: application/json" -d '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hello"}]}'
"""


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "serve",
        help="run the gateway",
        description="Run the gateway: workers on the data plane, and the operator plane unless it is turned off.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="the configuration file (weighbridge.yaml)")
    parser.add_argument("--listen", metavar="HOST:PORT", help="the data plane's address")
    plane = parser.add_mutually_exclusive_group()
    plane.add_argument("--operator", metavar="HOST:PORT", help="the operator plane's address")
    plane.add_argument("--no-operator", action="store_true", help="no operator plane: records stay in the spool")
    parser.add_argument("--workers", metavar="N", help="processes on the data plane")
    parser.add_argument("--upstream", metavar="URL", help="transparent mode: everything goes to this base URL")
    for later in ("--intercept", "--only-models"):
        parser.add_argument(later, action="store_true", help="not yet available")
    parser.add_argument("--ext-proc", metavar="HOST:PORT", help="not yet available")
    parser.set_defaults(func=serve)


def serve(args: argparse.Namespace) -> int:
    """Run until told to stop."""
    for name in ("intercept", "only_models", "ext_proc"):
        if getattr(args, name):
            complain(f"--{name.replace('_', '-')} is not yet available")
            return WRONG
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    options = Options(
        config=args.config,
        listen=args.listen,
        operator=args.operator,
        no_operator=args.no_operator,
        workers=args.workers,
        upstream=args.upstream,
    )
    load = partial(load_settings, options, os.environ, Path.cwd())
    try:
        launch = Launch(load)
    except LaunchFault as fault:
        for problem in fault.problems:
            complain(problem)
        return WRONG
    for notice in launch.notices:
        complain(f"note: {notice}")
    return WRONG if launch.run(lambda: write(launch.greeting())) else DONE
