"""``weighbridge explain-route``: which deployments a request goes to, who gets it next when they fail, and why."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import orjson

from gateway.accounting.prices import PriceBook
from gateway.app.build import load_sources, router_of, usual_price
from gateway.app.explaining import NothingToExplain
from gateway.app.explaining_route import CandidateShown, Question, RouteShown, explain_route, question
from gateway.app.policies import InForce, PolicyFault, load_policies
from gateway.cli import output
from gateway.cli.policy_files import refused
from gateway.clients.clock import SystemClock
from gateway.config.environment import Options
from gateway.config.load import load_settings
from gateway.config.settings import Settings
from gateway.core.errors import GatewayError
from gateway.core.verdict import CallFacts

_COLUMNS = ("deployment", "role", "weight", "share", "speaks", "rules", "usual_cost_nanousd", "note")


def register(subparsers: output.Subparsers) -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser(
        "explain-route",
        help="which deployments a request goes to, and why",
        description="Say where a request would go: its candidates and fallbacks, who cannot carry it and why, what "
        "rules do to it there, the shares of a thousand simulated calls, further tries and timers. No provider is "
        "called, and the health of deployments is not known here. "
        "Exit code 0 when a deployment gets it, 1 when none does or something is wrong, 2 when it cannot be read.",
        epilog="examples:\n  weighbridge explain-route -c weighbridge.yaml request.json\n"
        "  weighbridge explain-route --path /v1beta/models/gemini-2.5-flash:generateContent request.json --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("request", metavar="REQUEST.json", help="the body as a client sends it")
    parser.add_argument("-c", "--config", metavar="FILE", help="the configuration file; default: ./weighbridge.yaml")
    parser.add_argument("--path", default="", help="where it is sent to; default: told by the body")
    for name, what in (("team", "the caller's team"), ("key", "the id of the caller's key"),
                       ("session", "the caller's name for the conversation")):  # fmt: skip
        parser.add_argument(f"--{name}", metavar=name.upper(), default="", help=what)
    parser.add_argument(
        "--tag", metavar="K=V", action="append", type=_tag, default=[], help="a tag of the call; may be repeated"
    )
    parser.add_argument("--under-way", metavar="N", type=_calls, default=1, help="simulated calls at once; default: 1")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.set_defaults(func=output.closing_quietly(run))


def _calls(value: str) -> int:
    if not value.isdecimal() or not 0 < int(value) <= 10_000:
        raise argparse.ArgumentTypeError("should be a number from 1 to 10000")
    return int(value)


def _tag(value: str) -> tuple[str, str]:
    name, equals, said = value.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError("should be name=value")
    return name, said


def run(args: argparse.Namespace) -> int:
    """Explain one route."""
    try:
        body = Path(args.request).read_bytes()
    except OSError as error:
        output.complain(f"{args.request}: {error.strerror}")
        return output.USAGE
    try:
        settings, policies = _loaded(args)
        facts = CallFacts(team=args.team, key=args.key, session=args.session, tags=dict(args.tag))
        asked = question(body, args.path, facts, args.under_way)
        shown = asyncio.run(_explained(settings, policies, asked))
    except (PolicyFault, NothingToExplain) as fault:
        return refused(fault)
    except GatewayError as error:
        output.complain(f"refused with {error.status} {error.code}: {error.public_message}")
        return output.WRONG
    if args.json:
        output.write_json(msgspec.to_builtins(shown))
    else:
        for line in lines(shown):
            output.write(line)
        for note in shown.notes:
            output.complain(f"note: {note}")
    return output.DONE if shown.served else output.WRONG


def _loaded(args: argparse.Namespace) -> tuple[Settings, InForce]:
    result = load_settings(Options(config=args.config), os.environ, Path.cwd())
    if result.settings is None:
        raise PolicyFault(result.problems)
    return result.settings, load_policies(result.policies, result.settings, result.plugins)


async def _explained(settings: Settings, policies: InForce, asked: Question) -> RouteShown:
    clock = SystemClock()
    async with policies.at_hand() as engine:
        book = PriceBook(settings.prices.rows)
        router, sources = router_of(settings, clock, book), load_sources(settings)
        return await explain_route(router, engine, usual_price(book, clock), asked, sources)


def lines(shown: RouteShown) -> Iterator[str]:
    """A route as a person reads it."""
    stream = ", streamed" if shown.stream else ""
    yield output.visible(f"{shown.route} ({shown.dialect}){stream}: model {shown.model or '(none)'}") + "\n"
    if shown.sent_to:
        yield output.visible(f"a rule sends it to {shown.sent_to}") + "\n"
    alias = f"alias {shown.alias}" if shown.alias else "the provider that the path names"
    yield output.visible(f"{alias}, {_strategy(shown)}") + "\n"
    if shown.split:
        arm = f"arm {shown.arm}" if shown.arm else "an arm by chance for each call, since it does not say whose it is"
        yield output.visible(f"split {shown.split}: {arm}") + "\n"
    if shown.facts:
        told = ", ".join(f"{name} {_fact(value)}" for name, value in shown.facts.items())
        yield output.visible(f"conditions ask: {told}") + "\n"
    yield "\n"
    yield output.table(_COLUMNS, [_row(each) for each in shown.candidates])
    yield "\n"
    tries = " -> ".join(name if kind == "first" else f"{name} ({kind})" for name, kind in shown.tries)
    yield output.visible(f"first pick, then as each fails: {tries or 'nobody'}") + "\n"
    if shown.retry_on and shown.retries:
        yield f"further tries: {shown.retries}, on {', '.join(shown.retry_on)}\n"
    else:
        yield "further tries: none\n"
    yield from _watched(shown)
    if (goes_on := shown.continues) is not None:
        yield f"when its stream is cut: gone on with, up to {goes_on.times} times, asked by {goes_on.by}\n"
    for each in dict.fromkeys(each.timeouts for each in shown.candidates):
        yield (
            f"timers: connect {each.connect_s:g} s, first token {each.first_token_s:g} s, idle {each.idle_s:g} s, "
            f"total {each.total_s:g} s\n"
        )
    if shown.turned_away:
        found = "find nobody" if shown.queue is None else "find all of them full and wait"
        yield f"{shown.turned_away:.1%} of {shown.picks} calls, {shown.under_way} under way, {found}\n"


def _watched(shown: RouteShown) -> Iterator[str]:
    """What is done about deployments that fail, are full, or are not called."""
    if (rule := shown.breaker) is not None:
        yield (
            f"breaker: opens after {rule.consecutive} failures in a row, or {rule.share:.0%} of {rule.min_calls} calls "
            f"or more in {rule.window_s:g} s; for {rule.open_s:g} s, then longer up to {rule.max_open_s:g} s\n"
        )
    if shown.queue is not None:
        yield (
            f"queue: while all are full up to {shown.queue.length} calls wait for up to {shown.queue.wait_s:g} s, "
            f"in turn by {shown.queue.by}; others are turned away\n"
        )
    if (outlier := shown.outlier) is not None:
        yield (
            f"outliers: {outlier.below:.0%} more failures than the others in {outlier.window_s:g} s: left alone for "
            f"{outlier.eject_s:g} s, then longer up to {outlier.max_eject_s:g} s; at most {outlier.most:.0%} of them\n"
        )
    yield from _hedge(shown)
    yield from _mirror(shown)
    if (probe := shown.probe) is not None:
        yield (
            f"probes: after {probe.every_s:g} s without a call, and where a breaker wants to know; {probe.max_tokens} "
            f"tokens, ${probe.max_nanousd_per_day / 1e9:g} a day at most\n"
        )


def _hedge(shown: RouteShown) -> Iterator[str]:
    if (hedge := shown.hedge) is not None:
        late = f"{hedge.after_s:g} s" if hedge.after_s else f"p{hedge.quantile * 100:g} of its deployment's calls"
        yield (
            f"hedge: after {late} without a first byte a second deployment is asked too; "
            f"for at most {hedge.max_extra_cost:.1%} of what calls cost\n"
        )


def _mirror(shown: RouteShown) -> Iterator[str]:
    if (mirror := shown.mirror) is not None:
        rule, notes = mirror.rule, [f"asked as {mirror.speaks}"] if mirror.speaks else []
        if mirror.dropped:
            notes.append(f"leaves out {', '.join(mirror.dropped)}")
        if mirror.action != "allow":
            notes.append(f"{mirror.action} by {mirror.blocks}" if mirror.blocks else mirror.action)
        if mirror.why:
            notes.append(f"not this one: {mirror.why}")
        yield (
            output.visible(
                f"mirror: {rule.sample * 100:.4g}% of calls, once answered, to {mirror.provider}/{mirror.model}; "
                f"{rule.concurrency} at once, {rule.queue} waiting, {rule.timeout_s:g} s each; {'; '.join(notes)}"
            )
            + "\n"
        )


def _strategy(shown: RouteShown) -> str:
    if not shown.strategy:
        return "the first deployment serves every call"
    return f"strategy {shown.strategy}; shares of {shown.picks} calls like this one, {shown.under_way} under way"


def _fact(value: object) -> str:
    return orjson.dumps(value).decode()


def _row(each: CandidateShown) -> output.Row:
    notes = [each.why] if each.why else []
    if each.arm:
        notes.append(f"arm {each.arm}")
    if each.dropped:
        notes.append(f"leaves out {', '.join(each.dropped)}")
    if each.concurrency:
        notes.append(f"at most {each.concurrency} at once" + (f", full {each.full:.1%}" if each.full else ""))
    if each.context_window:
        notes.append(f"{each.context_window} tokens of context")
    if each.load:
        notes.append(f"its load is read ({each.load})")
    return {
        "deployment": f"{each.provider}/{each.model}",
        "role": each.role,
        "weight": each.weight,
        "share": f"{each.share:.1%}",
        "speaks": each.speaks or None,
        "rules": f"{each.action} by {each.rule}" if each.rule else each.action,
        "usual_cost_nanousd": each.usual_cost_nanousd,
        "note": "; ".join(notes),
    }
