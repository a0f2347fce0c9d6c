"""``weighbridge traces export``: exchanges as a file, for other programs, for replay, or to tune models with."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import orjson

from gateway.cli import output
from gateway.cli.operator_client import Answer, OperatorClient, asking
from gateway.cli.trace_filters import add_filters, given_filters

_FORMATS = ("jsonl", "parquet", "openai-finetune", "anthropic-finetune")
_WHOLE = ("jsonl", "parquet")
_SAID_EVERY = 100

Command = Callable[[output.Subparsers, str, str, str], argparse.ArgumentParser]


@dataclass
class _Copied:
    """What was written. ``left_out``: exchanges that made no example, by the reason."""

    bytes: int = 0
    examples: int = 0
    left_out: Counter[str] = field(default_factory=Counter[str])


def register(commands: output.Subparsers, command: Command) -> None:
    """Add the command to those of ``weighbridge traces``."""
    export = command(
        commands,
        "export",
        "write exchanges to a file",
        "weighbridge traces export --format parquet --since 7d -o exchanges.parquet\n"
        "  weighbridge traces export --bodies --since 24h --team support -o exchanges.jsonl\n"
        "  weighbridge traces export --format openai-finetune --feedback helpful=true --since 30d -o examples.jsonl",
    )
    export.add_argument("--format", choices=_FORMATS, default="jsonl", help="default: jsonl")
    export.add_argument("--bodies", action="store_true", help="with request_body and response_body, where captured")
    export.add_argument("--since", metavar="AGE", default="24h", help="an age (24h) or an ISO 8601 time; default: 24h")
    export.add_argument("--until", metavar="AGE", help="likewise; default: now")
    export.add_argument("-o", "--output", metavar="FILE", default="-", help="default: -, standard output")
    add_filters(export)
    export.set_defaults(func=asking(_export))


def _export(args: argparse.Namespace, operator: OperatorClient) -> int:
    examples = args.format not in _WHOLE
    asked: dict[str, Any] = {
        **given_filters(args),
        "format": "jsonl" if examples else args.format,
        "bodies": "true" if args.bodies or examples else None,
        "since": args.since,
        "until": args.until,
    }
    if examples:
        asked["failed"] = None
    if args.output == "-":
        if args.json:
            output.complain("--json describes the written file: it needs -o FILE")
            return output.USAGE
        with operator.open("GET", "/api/export", asked) as answer:
            copied = _copy(args, answer, sys.stdout.buffer)
        _tell(copied)
        return output.DONE
    target = Path(args.output)
    try:
        with operator.open("GET", "/api/export", asked) as answer, _drafted(target) as file:
            copied = _copy(args, answer, file)
    except OSError as error:
        output.complain(f"cannot write {target}: {error.strerror or error}")
        return output.WRONG
    if args.json:
        output.write_json(
            {"file": str(target), "format": args.format, "bytes": copied.bytes, **_examples(args, copied)}
        )
    else:
        _tell(copied)
    return output.DONE


def _examples(args: argparse.Namespace, copied: _Copied) -> dict[str, Any]:
    if args.format in _WHOLE:
        return {}
    return {"examples": copied.examples, "left_out": dict(copied.left_out.most_common())}


def _tell(copied: _Copied) -> None:
    if copied.left_out:
        reasons = ", ".join(f"{count} {reason}" for reason, count in copied.left_out.most_common())
        output.complain(f"{copied.examples} examples written; {copied.left_out.total()} calls left out: {reasons}")


@contextmanager
def _drafted(target: Path) -> Generator[IO[bytes], None, None]:
    """Half an export must not pass for a whole one: the name appears when everything is there."""
    draft = target.with_name(target.name + ".part")
    try:
        with draft.open("wb") as file:
            yield file
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _copy(args: argparse.Namespace, answer: Answer, file: IO[bytes]) -> _Copied:
    """Write what comes, with progress where a person watches."""
    copied = _Copied()
    pieces = answer.pieces() if args.format in _WHOLE else _written(answer.lines(), args.format, copied)
    watched = os.isatty(sys.stderr.fileno()) and not os.isatty(file.fileno())
    for number, piece in enumerate(pieces):
        file.write(piece)
        copied.bytes += len(piece)
        if watched and (args.format in _WHOLE or number % _SAID_EVERY == 0):
            sys.stderr.write(f"\\r{copied.bytes / 1_000_000:.1f} MB")
    if watched and copied.bytes:
        sys.stderr.write("\n")
    file.flush()
    return copied


def _written(lines: Iterable[bytes], wanted: Any, copied: _Copied) -> Iterable[bytes]:
    # Loaded here: what reads every dialect takes longer to load than most commands take.
    captured, examples = (importlib.import_module(f"gateway.wire.{name}") for name in ("captured", "examples"))
    for line in lines:
        row = orjson.loads(line)
        if row["error_code"] or row["status"] >= 400:
            copied.left_out["failed"] += 1
            continue
        try:
            said = captured.read_captured(row["dialect"], row["route"], row["request_body"], row["response_body"])
            example = examples.example_of(said, wanted)
        except captured.Unreadable as reason:
            copied.left_out[str(reason)] += 1
            continue
        copied.examples += 1
        yield orjson.dumps(example) + b"\n"
