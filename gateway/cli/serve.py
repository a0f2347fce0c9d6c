"""``weighbridge serve``: its command line. What it does is loaded while its first work is under way."""

from __future__ import annotations

import argparse
import os
from importlib import import_module
from pathlib import Path

from gateway.app.ahead import compile_ahead
from gateway.cli.output import Subparsers

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
    parser.add_argument(
        "--no-supervisor",
        action="store_true",
        help="one process, for who restarts it anyway, as a cluster does; needs --no-operator and one worker",
    )
    parser.add_argument("--log-format", metavar="FORMAT", help="text, or json for programs")
    parser.add_argument("--upstream", metavar="URL", help="transparent mode: everything goes to this base URL")
    parser.add_argument(
        "--intercept",
        action="store_true",
        help="be the proxy of programs that know nothing of a gateway; needs an authority, see ca init",
    )
    parser.add_argument("--only-models", action="store_true", help="with --intercept: refuse all other hosts")
    parser.add_argument("--ext-proc", metavar="HOST:PORT", help="be an external processor of Envoy's here, by gRPC")
    parser.set_defaults(func=serve)


def serve(args: argparse.Namespace) -> int:
    """Run until told to stop."""
    ahead = compile_ahead(args.config, os.environ, Path.cwd())
    # Imported while that goes on.
    return int(import_module("gateway.cli.serving").run(args, ahead))
