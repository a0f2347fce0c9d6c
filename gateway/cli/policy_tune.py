"""``weighbridge policy tune``: a detector's threshold from one's own benign traffic."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import orjson

from gateway.app.models import Door
from gateway.app.policies import InForce, PolicyFault, load_policies
from gateway.app.tuning import Mark, NothingToTune, Weigher, table
from gateway.cli import output, replay_source
from gateway.cli.operator_client import OperatorClient, add_options, asking
from gateway.cli.policy_files import bundle_in_force, refused
from gateway.config.units import parse_percent
from gateway.core.errors import GatewayError

_MAX_CALLS = 2_000


def register(commands: output.Subparsers) -> None:
    """Add the command to those of ``weighbridge policy``."""
    parser = commands.add_parser(
        "tune",
        help="a detector's threshold from one's own benign traffic",
        description="Weigh recorded calls once more and show which threshold flags which share of them. What rules "
        "blocked is left out; what is left is taken for benign. Captured bodies are those after redaction. "
        "Exit code 0 with a threshold, 1 when there are too few calls for the share, or nothing to weigh.",
        epilog="example:\n  weighbridge policy tune --detector inj --target-fpr 0.5% --replay last:7d",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--detector", metavar="NAME", required=True, help="as the policy calls it")
    parser.add_argument("--target-fpr", metavar="SHARE", type=_share, default=0.01, help="of calls; default: 1%%")
    replay_source.add_options(parser, _MAX_CALLS)
    parser.add_argument("-c", "--config", metavar="FILE", help="the configuration file; default: ./weighbridge.yaml")
    parser.add_argument("--policy", metavar="PATH", help="this policy file instead of the configuration's bundle")
    add_options(parser)
    parser.set_defaults(func=asking(run))


def _share(value: str) -> float:
    try:
        share = parse_percent(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError("should be more than 0% and less than 100%")
    return share


def run(args: argparse.Namespace, operator: OperatorClient) -> int:
    """Weigh, and show the table."""
    try:
        policies = load_policies(*bundle_in_force(args))
        spec = next((each for each in policies.bundle.detectors if each.name == args.detector), None)
        replayed, scores = asyncio.run(_weighed(policies, args, operator))
    except (PolicyFault, NothingToTune) as fault:
        return refused(fault)
    except OSError as error:
        output.complain(f"{args.replay}: {error.strerror}")
        return output.USAGE
    except GatewayError as error:
        output.complain(f"the model cannot be asked: {error.public_message}")
        return output.WRONG
    if not scores:
        output.complain(f"none of {replayed} recorded calls has a text that '{args.detector}' is shown")
        return output.WRONG
    marks = table(scores, args.target_fpr)
    wanted = next(mark for mark in marks if mark.target_fpr == args.target_fpr)
    use = spec.use if spec is not None else ""
    if args.json:
        _as_json(args, (replayed, len(scores)), marks, wanted)
    else:
        _as_lines(args, use, (replayed, len(scores)), marks, wanted)
    return output.DONE if wanted.min_score is not None else output.WRONG


async def _weighed(policies: InForce, args: argparse.Namespace, operator: OperatorClient) -> tuple[int, list[float]]:
    weigher = Weigher(policies.engine, args.detector)
    scores: list[float] = []
    replayed = 0
    try:
        for row in _recorded(replay_source.source_of(args.replay, operator, args.limit)):
            replayed += 1
            score = await weigher.weigh(row)
            if score is not None:
                scores.append(score)
            _progress(replayed)
    finally:
        await _let_go(policies.door)
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    return replayed, scores


async def _let_go(door: Door) -> None:
    await door.models.close()


def _progress(replayed: int) -> None:
    if replayed % 10 == 0 and sys.stderr.isatty():
        sys.stderr.write(f"\r{replayed} calls weighed")
        sys.stderr.flush()


def _recorded(source: replay_source.Source) -> Iterator[dict[str, Any]]:
    """Give recorded calls with their bodies; what was turned back is not benign."""
    for line in source.lines:
        try:
            row: dict[str, Any] = orjson.loads(line)
            bodies = row.get("bodies") or {name: row.get(name) for name in ("request_body", "response_body")}
        except (orjson.JSONDecodeError, AttributeError):
            continue
        if row.get("verdict") != "block" and any(bodies.values()):
            yield {**row, "bodies": bodies}


def _as_json(args: argparse.Namespace, counts: tuple[int, int], marks: tuple[Mark, ...], wanted: Mark) -> None:
    document = {
        "detector": args.detector,
        "target_fpr": args.target_fpr,
        "replayed": counts[0],
        "weighed": counts[1],
        "min_score": wanted.min_score,
        "flagged": wanted.flagged,
        "share": wanted.share,
        "table": msgspec.to_builtins(marks),
    }
    output.write_json(document)


def _as_lines(
    args: argparse.Namespace, use: str, counts: tuple[int, int], marks: tuple[Mark, ...], wanted: Mark
) -> None:
    output.write(f"{args.detector} ({use}): {counts[1]} of {counts[0]} recorded calls weighed\n")
    rows = [
        {
            "at most": f"{mark.target_fpr:.2%}",
            "min_score": "too few calls" if mark.min_score is None else f"{mark.min_score:.4f}",
            "flagged": mark.flagged,
            "share": f"{mark.share:.2%}",
        }
        for mark in marks
    ]
    output.write(output.table(["at most", "min_score", "flagged", "share"], rows))
    if wanted.min_score is None:
        need = round(1 / args.target_fpr + 0.5)
        output.complain(f"{args.target_fpr:.2%} cannot be measured with {counts[1]} calls; at least {need} are needed")
    else:
        output.write(f"in the policy: {args.detector}: {{use: {use}, min_score: {wanted.min_score}}}\n")
