"""``weighbridge policy tune``: a detector's threshold from one's own benign traffic."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator
from typing import Any

import msgspec

from gateway.app.models import Door
from gateway.app.policies import InForce, PolicyFault, load_policies
from gateway.app.tuning import Mark, NothingToTune, Weigher, table
from gateway.cli import output
from gateway.cli.operator_client import OperatorClient, add_options, asking
from gateway.cli.policy_files import bundle_in_force, refused
from gateway.config.units import parse_duration, parse_percent
from gateway.core.errors import GatewayError

_LAST = "last:"
_PAGE = 200
_MAX_CALLS = 2_000
_CALLS = (
    "SELECT toString(e.id) AS id, e.route AS route, e.model_requested AS model_requested, e.provider AS provider, "
    "e.key_id AS key_id, e.team AS team, e.tenant AS tenant, e.session_id AS session_id, e.tags AS tags, "
    "e.stream AS stream, b.request_body AS request_body, b.response_body AS response_body "
    "FROM exchanges AS e INNER JOIN bodies AS b ON b.exchange_id = e.id "
    "WHERE e.started_at >= now() - INTERVAL AGE SECOND AND e.verdict != 'block' "
    "ORDER BY e.started_at DESC, e.id DESC LIMIT PAGE OFFSET START"
)


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
    parser.add_argument("--replay", metavar="last:AGE", type=_age, default=86_400.0, help="default: last:24h")
    parser.add_argument("--limit", metavar="N", type=int, default=_MAX_CALLS, help=f"calls; default: {_MAX_CALLS}")
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


def _age(value: str) -> float:
    if not value.startswith(_LAST):
        raise argparse.ArgumentTypeError("should be last: and an age, such as last:7d")
    try:
        return parse_duration(value[len(_LAST) :])
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(args: argparse.Namespace, operator: OperatorClient) -> int:
    """Weigh, and show the table."""
    try:
        policies = load_policies(*bundle_in_force(args))
        spec = next((each for each in policies.bundle.detectors if each.name == args.detector), None)
        replayed, scores = asyncio.run(_weighed(policies, args, operator))
    except (PolicyFault, NothingToTune) as fault:
        return refused(fault)
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
        for row in _recorded(operator, args.replay, args.limit):
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


def _recorded(operator: OperatorClient, age_s: float, limit: int) -> Iterator[dict[str, Any]]:
    """Give recorded calls with their bodies, newest first."""
    for offset in range(0, limit, _PAGE):
        page = min(_PAGE, limit - offset)
        asked = {"AGE": int(age_s), "PAGE": page, "START": offset}
        query = " ".join(str(asked.get(word, word)) for word in _CALLS.split(" "))
        rows = operator.post("/api/sql", {"query": query})["rows"]
        for row in rows:
            bodies = {name: row.pop(name) for name in ("request_body", "response_body")}
            yield {**row, "bodies": bodies}
        if len(rows) < page:
            return


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
