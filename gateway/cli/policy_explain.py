"""``weighbridge policy explain``: for one call, every view, detector, score, rule, exclusion and action."""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

import msgspec

from gateway.app.explaining import Asked, NothingToExplain, asked_of_body, asked_of_exchange, explain_call
from gateway.app.policies import InForce, PolicyFault, load_policies
from gateway.cli import output
from gateway.cli.operator_client import OperatorClient, Refused, add_options, asking
from gateway.cli.policy_files import bundle_in_force, refused
from gateway.core.explanation import DetectorShown, Explanation, FindingShown, RuleShown
from gateway.core.verdict import CallFacts

_ID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_MAX_FINDINGS = 8


def register(commands: output.Subparsers) -> None:
    """Add the command to those of ``weighbridge policy``."""
    parser = commands.add_parser(
        "explain",
        help="every view, detector, score, rule, exclusion and action for one call",
        description="Judge a call once more and say how: FILE is a request's body as JSON (or an answer's), "
        "EXCHANGE_ID an exchange whose body was captured. The text itself is not shown. "
        "Exit code 0 when it was explained, whatever the verdict; 1 when there is nothing to explain.",
        epilog="examples:\n  weighbridge policy explain request.json --team support\n"
        "  weighbridge policy explain 0192f3a1-7c4e-7d0a-9b1c-2f6d8e4a5b3c",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("target", metavar="FILE|EXCHANGE_ID", help="a request's body, or a recorded exchange")
    parser.add_argument("-c", "--config", metavar="FILE", help="the configuration file; default: ./weighbridge.yaml")
    parser.add_argument("--policy", metavar="PATH", help="this policy file instead of the configuration's bundle")
    for name, what in (
        ("route", "the path that it is sent to"),
        ("team", "the caller's team"),
        ("key", "the id of the caller's key"),
        ("provider", "who answers"),
        ("session", "the caller's name for the conversation"),
    ):
        parser.add_argument(f"--{name}", metavar=name.upper(), default="", help=f"with FILE: {what}")
    parser.add_argument("--tag", metavar="NAME=VALUE", action="append", default=[], help="with FILE: a tag of the call")
    parser.add_argument("--strict", action="store_true", help="with FILE: the client asks for every rule to act")
    add_options(parser)
    parser.set_defaults(func=asking(run))


def run(args: argparse.Namespace, operator: OperatorClient) -> int:
    """Explain one call."""
    try:
        policies = load_policies(*bundle_in_force(args))
        asked = _asked(args, operator, policies.bundle.revision)
    except (PolicyFault, NothingToExplain) as fault:
        return refused(fault)
    except OSError as error:
        output.complain(f"{args.target}: {error.strerror}")
        return output.USAGE
    explanations = asyncio.run(_explained(policies, asked))
    if args.json:
        listed = [msgspec.to_builtins(each) for each in explanations]
        output.write_json({"notes": list(asked.notes), "explanations": listed})
        return output.DONE
    for each in explanations:
        for line in lines(each):
            output.write(output.visible(line) + "\n")
    for note in asked.notes:
        output.complain(f"note: {note}")
    return output.DONE


async def _explained(policies: InForce, asked: Asked) -> tuple[Explanation, ...]:
    async with policies.at_hand() as engine:
        return await explain_call(engine, asked)


def _asked(args: argparse.Namespace, operator: OperatorClient, revision: str) -> Asked:
    path = Path(args.target)
    if _ID.fullmatch(args.target) and not path.exists():
        try:
            row = operator.get(f"/api/exchanges/{quote(args.target)}")
        except Refused as refused:
            raise NothingToExplain(str(refused)) from refused
        return asked_of_exchange(row, revision)
    facts = CallFacts(
        route=args.route,
        team=args.team,
        key=args.key,
        provider=args.provider,
        session=args.session,
        tags=dict(_tags(args.tag)),
        strict=args.strict,
    )
    return asked_of_body(path.read_bytes(), facts)


def _tags(written: Iterable[str]) -> Iterator[tuple[str, str]]:
    for tag in written:
        name, equals, value = tag.partition("=")
        if not equals:
            raise NothingToExplain("--tag should be NAME=VALUE")
        yield name, value


def lines(explanation: Explanation) -> Iterator[str]:
    """An explanation as a person reads it."""
    yield _verdict(explanation)
    for segment in explanation.segments:
        who = f"{segment.role} {segment.kind}".strip() + (f" of {segment.tool}" if segment.tool else "")
        yield f"  {segment.path}: {who}, {segment.chars} characters, scanned in {_us(segment.scan_microseconds)}"
        yield from _judged(segment.detectors, segment.rules)
    if explanation.detectors or explanation.rules:
        yield f"  the {explanation.direction} as a whole"
        yield from _judged(explanation.detectors, explanation.rules)
    if explanation.unmatched:
        apart = ", ".join(f"{rule.id} ({rule.why_not})" for rule in explanation.unmatched)
        yield f"  rules that do not apply to this call: {apart}"


def _verdict(explanation: Explanation) -> str:
    parts = [f"{explanation.direction}: {explanation.action}"]
    if explanation.rule:
        parts.append(f"by rule {explanation.rule}")
    if explanation.route:
        parts.append(f"goes to {explanation.route}")
    if explanation.taint:
        parts.append("taints the session")
    if explanation.score or explanation.annotate_at or explanation.block_at:
        limits = [
            f"{what} from {at:g}"
            for what, at in (("annotated", explanation.annotate_at), ("blocked", explanation.block_at))
            if at is not None
        ]
        parts.append(f"{explanation.score:g} points" + (f" ({', '.join(limits)})" if limits else ""))
    parts.append(f"{explanation.coverage:.0%} of the texts scanned")
    parts.append(f"{_us(explanation.microseconds)}, policies {explanation.revision}")
    return ", ".join(parts)


def _judged(detectors: Iterable[DetectorShown], rules: Iterable[RuleShown]) -> Iterator[str]:
    for detector in detectors:
        found = "; ".join(_finding(each) for each in detector.findings[:_MAX_FINDINGS]) or "nothing"
        more = len(detector.findings) - _MAX_FINDINGS
        found += f"; {more} more" if more > 0 else ""
        if detector.error:
            found = f"could not judge ({detector.error}); on_error: {detector.on_error}"
        views = f", views {' '.join(detector.views)}" if detector.views else ""
        yield f"    detector {detector.name} ({detector.use}{views}) in {_us(detector.microseconds)}: {found}"
    idle: list[str] = []
    for rule in rules:
        excluded = f" but for {', '.join(rule.excluded_by)}" if rule.excluded_by else ""
        if rule.fired:
            does = ", ".join(rule.steps)
            found_by = ", ".join(rule.detectors) or "no hit"
            would = "" if rule.acts else "would "
            yield f"    rule {rule.id} holds{excluded}: {found_by}; {would}{does} ({rule.mode})"
        else:
            idle.append(f"{rule.id} ({rule.why_not}{excluded})")
    if idle:
        yield f"    rules that do not hold here: {', '.join(idle)}"


def _finding(finding: FindingShown) -> str:
    place = finding.path or (f"{finding.start}-{finding.end}" if finding.end > finding.start else "the whole text")
    view = f" in view {finding.view}" if finding.view else ""
    left_out = " (advisory)" if finding.advisory else "" if finding.counted else " (below min_score)"
    score = "" if finding.score is None else f" score {finding.score:.2f}"
    return f"{finding.kind} at {place}{view}{score}{left_out}"


def _us(microseconds: float) -> str:
    return f"{microseconds:.1f} µs" if microseconds < 1000 else f"{microseconds / 1000:.1f} ms"
