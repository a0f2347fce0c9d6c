"""``weighbridge schema``: the JSON Schema of the files that people edit, for their editors."""

from __future__ import annotations

import argparse

from gateway.cli import output
from gateway.config.json_schema import json_schema
from gateway.config.schema import FileSpec
from gateway.policy.model import PolicySpec

_MODELS = {"config": FileSpec, "policy": PolicySpec}


def register(subparsers: output.Subparsers) -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser(
        "schema",
        help="the JSON Schema of a file, for editors",
        description="Print the JSON Schema of weighbridge.yaml or of a policy file. What is not yet available is in it "
        "as a key that is never valid.",
        epilog="example:\n  weighbridge schema policy > policy.schema.json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", choices=sorted(_MODELS), help="which file")
    parser.add_argument("--json", action="store_true", help="the output is JSON with and without it")
    parser.set_defaults(func=schema)


def schema(args: argparse.Namespace) -> int:
    """Print the schema."""
    output.write_json(json_schema(_MODELS[args.file]))
    return output.DONE
