"""Loads configuration and policies anew beside the loop, and says what came of it.

All of it happens in a thread: reading, checking, compiling, the bundle's own tests. The loop only swaps a reference, so
a call sees the old policies or the new ones and never a part. While the thread works, the interpreter changes hands
more often than usual, so that a call under way waits for fractions of a millisecond and not for five.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from time import perf_counter

import msgspec

from gateway.app.policies import InForce, PolicyFault, load_policies
from gateway.config.load import LoadResult
from gateway.config.settings import Settings
from gateway.policy.expression import detectors_of
from gateway.recording.policy_report import MAX_PROBLEMS, DetectorRow, LastReload, PolicyReport, RuleRow

SWITCH_S = 0.0002


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """What came of loading anew.

    Attributes:
        settings: The configuration; ``None`` when anything is wrong with anything.
        policies: The policies; ``None`` likewise.
        problems: Everything that is wrong.
        paths: Every policy file that was read or should have been: whoever mends one of them wants to be heard.
        seconds: How long it took.
    """

    settings: Settings | None = None
    policies: InForce | None = None
    problems: tuple[str, ...] = ()
    paths: tuple[Path, ...] = ()
    seconds: float = 0.0


def prepare(load: Callable[[], LoadResult], forbidden: Callable[[Settings], Iterable[str]]) -> Prepared:
    """Load everything anew; blocks for as long as it takes, so call it in a thread.

    Args:
        load: Loads the configuration, from where it was loaded before.
        forbidden: Says what of a new configuration cannot be put in force without a restart.
    """
    began = perf_counter()
    with sharing_the_interpreter():
        prepared = _prepare(load, forbidden)
    return msgspec.structs.replace(prepared, seconds=perf_counter() - began)


def _prepare(load: Callable[[], LoadResult], forbidden: Callable[[Settings], Iterable[str]]) -> Prepared:
    result = load()
    problems = [str(problem) for problem in result.problems]
    if result.settings is not None:
        problems += forbidden(result.settings)
    paths = tuple(path for _, path in result.policies)
    if result.settings is None or problems:
        return Prepared(problems=tuple(problems), paths=paths)
    try:
        policies = load_policies(result.policies, result.settings, result.plugins)
    except PolicyFault as fault:
        return Prepared(problems=tuple(map(str, fault.problems)), paths=(*paths, *fault.paths))
    return Prepared(settings=result.settings, policies=policies, paths=policies.paths)


class _Sharing:
    """Who works beside the loop now; what holds for one holds until the last has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._working = 0
        self._before = sys.getswitchinterval(), gc.isenabled()

    def begin(self) -> None:
        with self._lock:
            if not self._working:
                self._before = sys.getswitchinterval(), gc.isenabled()
                sys.setswitchinterval(SWITCH_S)
                gc.disable()
            self._working += 1

    def end(self) -> None:
        with self._lock:
            self._working -= 1
            if not self._working:
                interval, collecting = self._before
                sys.setswitchinterval(interval)
                gc.freeze()
                if collecting:
                    gc.enable()


_SHARING = _Sharing()


@contextlib.contextmanager
def sharing_the_interpreter() -> Generator[None, None, None]:
    """Let other threads have their turn soon while this one works, and keep the collector from stopping all of them.

    Policies are hundreds of thousands of objects without rings among them. The collector would walk them all at once,
    on whichever thread asks for memory next; so they are set aside, as what was there at the start is.
    """
    _SHARING.begin()
    try:
        yield
    finally:
        _SHARING.end()


def stamps(paths: Iterable[Path | None]) -> dict[Path, tuple[int, int]]:
    """When each file was last written, and its size; files that are not there are left out."""
    found: dict[Path, tuple[int, int]] = {}
    for path in paths:
        if path is not None:
            with contextlib.suppress(OSError):
                status = path.stat()
                found[path] = (status.st_mtime_ns, status.st_size)
    return found


def report_of(policies: InForce) -> PolicyReport:
    """Say what policies are in force."""
    rules = tuple(
        RuleRow(
            id=rule.id,
            actions=tuple(step.action for step in rule.steps),
            mode=rule.mode,
            share=rule.canary.share if rule.canary else None,
            detectors=tuple(dict.fromkeys(detectors_of(rule.when))),
            direction=rule.match.direction or ("request", "response"),
            exclusions={each.id: each.expires_unix_s for each in rule.exclusions},
            file=policies.places[rule.id].file,
            line=policies.places[rule.id].line,
        )
        for rule in policies.bundle.rules
    )
    return PolicyReport(
        revision=policies.bundle.revision,
        files=policies.files,
        tests=policies.tests,
        detectors=tuple(DetectorRow(name=d.name, use=d.use, on_error=d.on_error) for d in policies.bundle.detectors),
        rules=rules,
    )


def last_reload(problems: Iterable[str], at_ms: int, seconds: float) -> LastReload:
    """Say what came of a reload."""
    told = tuple(problems)
    return LastReload(
        result="rejected" if told else "applied", at_ms=at_ms, seconds=round(seconds, 3), problems=told[:MAX_PROBLEMS]
    )
