"""``weighbridge policy diff``: what a changed policy would have done to recorded traffic."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import msgspec

from gateway.app.models import models_for
from gateway.app.policies import Files, PolicyFault, load_policies
from gateway.app.recorded_calls import TOLD, Why
from gateway.app.replay_pool import ReplayBroke, Replayed, replay
from gateway.app.replay_tally import CHANGES, Spent, Tally
from gateway.app.replaying import Terms
from gateway.cli import output, replay_source
from gateway.cli.operator_client import OperatorClient, add_options, asking
from gateway.cli.policy_files import refused
from gateway.config.environment import Options, shown
from gateway.config.load import load_settings
from gateway.config.source import Problem, read_yaml

_MAX_CALLS = 100_000
_SUFFIXES = (".yaml", ".yml")
_MOST_JOBS = 64


def register(commands: output.Subparsers) -> None:
    """Add the command to those of ``weighbridge policy``."""
    parser = commands.add_parser(
        "diff",
        help="what a changed policy would have done to recorded traffic",
        description="Judge recorded calls by two bundles and show what the new one would newly block, edit or allow, "
        "in all and by rule. OLD and NEW are each a policy file, a folder of them (one bundle), or a weighbridge.yaml, "
        "whose bundle is meant. Nothing is sent anywhere, and no text is shown. What cannot be judged again is counted "
        "and said. Exit code 0 when calls were compared; 1 when more are newly blocked than --max-new-blocks allows, "
        "when a bundle does not load, or when there was no call to compare.",
        epilog="examples:\n  weighbridge policy diff main/support.yaml policies/support.yaml --replay last:24h\n"
        "  weighbridge policy diff old.yaml new.yaml --replay calls.jsonl --max-new-blocks 0 --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("old", metavar="OLD", help="the policies to compare with")
    parser.add_argument("new", metavar="NEW", help="the changed ones")
    replay_source.add_options(parser, _MAX_CALLS)
    parser.add_argument("--max-new-blocks", metavar="N", type=_number, help="exit code 1 when more are newly blocked")
    parser.add_argument("--samples", metavar="N", type=_number, default=5, help="of each change of a rule; default: 5")
    parser.add_argument("--jobs", metavar="N", type=_jobs, default=0, help="processes; default: one a core")
    parser.add_argument("-c", "--config", metavar="FILE", help="whose plugins and models are used")
    add_options(parser)
    parser.set_defaults(func=asking(run))


def _number(value: str) -> int:
    if not value.isdecimal():
        raise argparse.ArgumentTypeError("should be a number")
    return int(value)


def _jobs(value: str) -> int:
    number = _number(value)
    if not 1 <= number <= _MOST_JOBS:
        raise argparse.ArgumentTypeError(f"should be 1 to {_MOST_JOBS}")
    return number


class _Ran(msgspec.Struct):
    """A replay that is over."""

    old: str
    new: str
    found: Replayed
    recorded: int
    took_s: float


def run(args: argparse.Namespace, operator: OperatorClient) -> int:
    """Replay, and show what changes."""
    try:
        ran = _ran(args, operator)
    except PolicyFault as fault:
        return refused(fault)
    except ReplayBroke as broken:
        output.complain(str(broken))
        return output.WRONG
    except OSError as error:
        output.complain(f"{args.replay}: {error.strerror}")
        return output.USAGE
    tally = ran.found.tally
    if args.json:
        output.write_json(_document(ran))
    else:
        for line in _lines(ran, args.samples):
            # A table has its lines, and its cells are made visible already.
            output.write(line if line.endswith("\n") else output.visible(line) + "\n")
    if not tally.replayed:
        output.complain("no recorded call could be judged by both")
        return output.WRONG
    most: int | None = args.max_new_blocks
    if most is not None and tally.newly_blocked > most:
        output.complain(f"{tally.newly_blocked} calls are newly blocked, and {most} may be (--max-new-blocks)")
        return output.WRONG
    return output.DONE


def _ran(args: argparse.Namespace, operator: OperatorClient) -> _Ran:
    result = load_settings(Options(config=args.config), os.environ, Path.cwd())
    models = models_for(result.settings)
    old, new = (load_policies(_bundle(each), None, result.plugins, models) for each in (args.old, args.new))
    source = replay_source.source_of(args.replay, operator, args.limit)
    bar = _Bar(source.total)
    began = perf_counter()
    jobs = args.jobs or len(os.sched_getaffinity(0))
    found = replay(source.lines, old, new, Terms(samples=args.samples), jobs, bar.tell)
    bar.end()
    return _Ran(old.engine.revision, new.engine.revision, found, source.recorded, perf_counter() - began)


def _bundle(written: str) -> Files:
    """Find the files of a bundle: one, all in a folder, or those that a configuration names.

    Raises:
        PolicyFault: There are none.
    """
    cwd, path = Path.cwd(), Path(written)
    files = sorted(each for each in path.iterdir() if each.suffix in _SUFFIXES) if path.is_dir() else [path]
    if not path.exists() or not files:
        raise PolicyFault((Problem(written, 0, "no policy is there"),))
    if path.is_file() and _configures(path):
        result = load_settings(Options(config=written), os.environ, cwd)
        if not result.policies:
            raise PolicyFault(result.problems or (Problem(written, 0, "it names no policy"),))
        return result.policies
    return tuple((shown(each, cwd), each) for each in files)


def _configures(path: Path) -> bool:
    """Whether a file is a configuration, and no policy."""
    data: object = read_yaml(path, path.name).data
    return isinstance(data, dict) and "version" in data and "apiVersion" not in data


class _Bar:
    """Shows on a terminal how far a replay is.

    Args:
        total: Calls; 0 where nobody knows.
    """

    def __init__(self, total: int) -> None:
        self._of = f" of {total}" if total else ""
        self._done = 0
        self._began = perf_counter()
        self._watched = sys.stderr.isatty()

    def tell(self, more: int) -> None:
        """So many calls more are done."""
        self._done += more
        if self._watched:
            rate = self._done / max(perf_counter() - self._began, 1e-3)
            sys.stderr.write(f"\r{self._done}{self._of} calls replayed, {rate:.0f} a second\x1b[K")
            sys.stderr.flush()

    def end(self) -> None:
        """Take the line away."""
        if self._watched:
            sys.stderr.write("\r\x1b[K")


# --- what is shown


def _document(ran: _Ran) -> dict[str, Any]:
    tally = ran.found.tally
    counts = {name: getattr(tally, name) for name in ("replayed", *CHANGES)}
    return {
        "old": ran.old,
        "new": ran.new,
        **counts,
        "by_rule": _by_rule(tally),
        "changed": tally.changed,
        "carried": tally.carried,
        "recorded": ran.recorded or tally.replayed + sum(tally.left_out.values()),
        "left_out": tally.left_out,
        "rules_left_out": msgspec.to_builtins(ran.found.left_out),
        "as_recorded": {"same": tally.as_recorded, "different": tally.not_as_recorded, "ids": tally.differ},
        "microseconds": {"before": _microseconds(tally, tally.before), "after": _microseconds(tally, tally.after)},
        "samples": msgspec.to_builtins(tally.samples),
        "seconds": round(ran.took_s, 3),
    }


def _by_rule(tally: Tally) -> list[dict[str, Any]]:
    """The rules, those first that change most."""
    rows = [
        {
            "rule": name,
            **{change: getattr(rule, change) for change in CHANGES},
            "held_before": rule.held_before,
            "held_after": rule.held_after,
            "microseconds": round(rule.microseconds / tally.timed, 1) if tally.timed else None,
        }
        for name, rule in tally.rules.items()
    ]
    return sorted(rows, key=lambda row: ([-row[change] for change in CHANGES], row["rule"]))


def _microseconds(tally: Tally, spent: Spent) -> dict[str, float | None]:
    """What a request takes on average, and an answer."""
    request = round(spent.request_ns / tally.requests / 1000, 1) if tally.requests else None
    answer = round(spent.answer_ns / tally.answers / 1000, 1) if tally.answers else None
    return {"request": request, "answer": answer}


def _lines(ran: _Ran, samples: int) -> Iterator[str]:
    tally = ran.found.tally
    yield f"policies {ran.old} and {ran.new}: {_calls(tally.replayed)} judged by both in {ran.took_s:.1f} s"
    yield from _not_judged(ran)
    if tally.as_recorded or tally.not_as_recorded:
        compared = tally.as_recorded + tally.not_as_recorded
        yield f"of {_calls(compared)} that the old policies had judged, they say the same of {tally.as_recorded}"
        if tally.differ:
            yield f"  not of {', '.join(tally.differ)}"
    told = ", ".join(f"{change.replace('_', ' ')} {getattr(tally, change)}" for change in CHANGES)
    yield f"{told} ({_calls(tally.changed)} with another verdict or other edits)"
    before, after = _microseconds(tally, tally.before), _microseconds(tally, tally.after)
    for what in ("request", "answer"):
        if before[what] is not None:
            yield f"{what}s take {after[what]} µs each, and took {before[what]}"
    yield from _table(tally)
    if samples and tally.samples:
        yield from _sampled(tally)


def _not_judged(ran: _Ran) -> Iterator[str]:
    tally = ran.found.tally
    seen = tally.replayed + sum(tally.left_out.values())
    if ran.recorded > seen:
        yield f"{ran.recorded} were recorded in that time; these are the newest (--limit)"
    for why, count in sorted(tally.left_out.items()):
        yield f"not judged: {count} {TOLD[cast('Why', why)]}"
    if tally.carried:
        yield f"in {_calls(tally.carried)} something was taken out by rules that are the same: the record says what"
    for each in ran.found.left_out:
        yield f"not replayed: rule {each.rule} of the {each.bundle} policies ({each.why})"


def _table(tally: Tally) -> Iterator[str]:
    rows = [row for row in _by_rule(tally) if row["held_before"] or row["held_after"]]
    if rows:
        columns = ["rule", *CHANGES, "held_before", "held_after", "microseconds"]
        yield output.table(columns, rows)
    silent = len(tally.rules) - len(rows)
    if silent:
        yield f"{silent} rule{'s' if silent > 1 else ''} held in no call"


def _sampled(tally: Tally) -> Iterator[str]:
    for sample in sorted(tally.samples, key=lambda each: (CHANGES.index(each.change), each.rule)):
        spans = "; ".join(
            f"{span.direction} {span.path} {span.start}-{span.end} {span.detector}".rstrip() for span in sample.spans
        )
        yield f"{sample.change.replace('_', ' ')} by {sample.rule}: {sample.id}{f' ({spans})' if spans else ''}"


def _calls(count: int) -> str:
    return f"{count} call{'' if count == 1 else 's'}"
