"""``weighbridge spool``: records that are on their way from the workers to the trace store."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable, Coroutine
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.cli import output
from gateway.config.environment import Options
from gateway.config.load import load_settings
from gateway.core.errors import Misconfigured, StoreRejected, StoreUnavailable
from gateway.operator.spool_care import SpoolState, is_shipping, repair, survey

if TYPE_CHECKING:
    from gateway.config.settings import Settings

_SEGMENT = ("name", "size_bytes", "waiting_bytes", "waiting_lines", "age_s", "open", "fault")
_WHOLE = ("dir", "shipping", "used_bytes", "max_bytes", "waiting_bytes", "waiting_lines", "oldest_s", "poison_lines")


def register(subparsers: output.Subparsers) -> None:
    """Add the command group to the program's parser."""
    group = subparsers.add_parser(
        "spool",
        help="records on their way to the trace store: what waits, repair, ship",
        description="The local log that records go through. Works on the folder itself, whether a gateway runs or not.",
    )
    commands = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _command(commands, "status", "what lies in the spool, and whether something is wrong with it", "--json", _status)
    mend = _command(
        commands,
        "repair",
        "put right what the operator cannot; the gateway must not run",
        "--poison --dry-run",
        _repair,
    )
    mend.add_argument("--poison", action="store_true", help="also ship anew the records that the store has refused")
    mend.add_argument("--dry-run", action="store_true", help="change nothing; say what would be done")
    drain = _command(commands, "drain", "ship all that lies there now, or wait for who does", "--timeout 300", _drain)
    drain.add_argument("--timeout", metavar="SECONDS", type=_seconds, default=60.0, help="default: 60")


def _command(
    commands: Any, name: str, summary: str, example: str, work: Callable[[argparse.Namespace, Settings], int]
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"example:\n  weighbridge spool {name} {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="the configuration file (weighbridge.yaml)")
    parser.add_argument("--json", action="store_true", help="write one JSON document")
    parser.set_defaults(func=output.closing_quietly(lambda args: _with_settings(args, work)))
    return parser


def _with_settings(args: argparse.Namespace, work: Callable[[argparse.Namespace, Settings], int]) -> int:
    result = load_settings(Options(config=args.config), os.environ, Path.cwd())
    if result.settings is None:
        for problem in result.problems:
            output.complain(str(problem))
        return output.WRONG
    try:
        return work(args, result.settings)
    except StoreUnavailable as error:
        output.complain(error.public_message)
        return output.UNREACHABLE
    except Misconfigured as error:
        output.complain(error.public_message)
        return output.WRONG


def _status(args: argparse.Namespace, settings: Settings) -> int:
    state = survey(settings.spool.dir, _now_ms())
    document = msgspec.to_builtins(state) | {"max_bytes": settings.spool.max_bytes, "sound": state.sound}
    if args.json:
        output.write_json(document)
    else:
        _show(state, document)
    return output.DONE if state.sound else output.WRONG


def _show(state: SpoolState, document: dict[str, Any]) -> None:
    output.write(output.record({name: document[name] for name in _WHOLE}))
    if state.segments:
        output.write("\n" + output.table(_SEGMENT, document["segments"]))
    if state.reasons:
        rows = [{"refused_lines": count, "reason": reason} for reason, count in state.reasons.items()]
        output.write("\n" + output.table(("refused_lines", "reason"), rows))
    if not state.sound:
        output.write("\nSee 'weighbridge spool repair --help'.\n")


def _repair(args: argparse.Namespace, settings: Settings) -> int:
    directory = settings.spool.dir
    # Looked at first: the store of a gateway that runs may be one that only it can open.
    if is_shipping(directory):
        output.complain("a process ships this spool; stop the gateway first")
        return output.WRONG

    async def work(store: Any) -> dict[str, Any]:
        done = await repair(directory, store.driver, _now_ms(), poison=args.poison, dry=args.dry_run)
        return msgspec.to_builtins(done)

    done = asyncio.run(_opened(settings, work))
    if args.json:
        output.write_json(done)
    else:
        output.write(output.record(done))
    return output.WRONG if done["left_open"] else output.DONE


def _drain(args: argparse.Namespace, settings: Settings) -> int:
    draining, directory = import_module("gateway.operator.draining"), settings.spool.dir
    clock = import_module("gateway.clients.clock").SystemClock()
    noted: dict[str, int] = draining.note(directory)
    progress = _Progress(sum(noted.values()))
    progress.told(left := sum(noted.values()))

    async def work(store: Any) -> int:
        return await draining.ship_all(directory, noted, store, clock, progress.told)

    async def drain() -> int:
        async with asyncio.timeout(args.timeout):
            if await draining.watch(directory, noted, clock, progress.told):
                return await _opened(settings, work)
            return 0

    try:
        left = asyncio.run(drain())
    except TimeoutError:
        left = progress.left
    progress.end()
    noted_bytes = sum(noted.values())
    if args.json:
        output.write_json({"bytes": noted_bytes, "left_bytes": left, "drained": not left})
    else:
        output.write(f"{noted_bytes - left} of {noted_bytes} bytes are in the trace store.\n")
    return output.WRONG if left else output.DONE


async def _opened(settings: Settings, work: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
    """Open the trace store as the operator would, and let go of it whatever comes."""
    process = import_module("gateway.operator.process")
    url = import_module("gateway.app.operating").traces_url(settings.traces)
    store = import_module("gateway.operator.store").TraceStore(
        process.open_driver(url), body_ttl_s=int(settings.capture.ttl_s), ages_s=settings.keep_s
    )
    try:
        await store.start()
        try:
            return await work(store)
        finally:
            await store.close()
    except StoreRejected as error:
        raise StoreUnavailable(error.public_message) from None


class _Progress:
    """Says on a terminal how far it is.

    Attributes:
        left: Bytes that are still to go.
    """

    def __init__(self, total: int) -> None:
        self.left = total
        self._total = total
        self._shown = sys.stderr.isatty()

    def told(self, left: int) -> None:
        self.left = left
        if self._shown:
            sys.stderr.write(f"\r{self._total - left} of {self._total} bytes")
            sys.stderr.flush()

    def end(self) -> None:
        if self._shown:
            sys.stderr.write("\n")


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise ValueError(text)
    return seconds


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
