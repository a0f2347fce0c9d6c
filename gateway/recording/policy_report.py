"""Which policies a worker has in force, and what came of the last try to change them: one small file a worker.

The operator reads the files of all workers and answers ``/api/policies`` from them. No text of a call is in it, and of
a policy only what a reader of lists needs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

VERSION = 1
# A broken bundle may have thousands of problems; the log has them all.
MAX_PROBLEMS = 100


class RuleRow(msgspec.Struct, frozen=True, kw_only=True):
    """One rule as a list shows it.

    Attributes:
        actions: Strongest first.
        mode: As written.
        share: Of callers for whom a canary acts; ``None`` for other modes.
        detectors: Those that its expression names.
        direction: Which ways it applies to.
        exclusions: Names of exceptions, with the time from which on they no longer count.
        file: Where it stands.
        line: The same.
    """

    id: str
    actions: tuple[str, ...]
    mode: str
    share: float | None = None
    detectors: tuple[str, ...] = ()
    direction: tuple[str, ...] = ("request", "response")
    exclusions: dict[str, int] = {}
    file: str = ""
    line: int = 0


class DetectorRow(msgspec.Struct, frozen=True, kw_only=True):
    """One detector as a list shows it."""

    name: str
    use: str
    on_error: str


class LastReload(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the last try to load configuration and policies anew.

    Attributes:
        result: ``none`` when nobody has tried yet.
        at_ms: When, milliseconds since 1970.
        seconds: How long it took.
        problems: Why it was rejected; the first hundred.
    """

    result: Literal["none", "applied", "rejected"] = "none"
    at_ms: int = 0
    seconds: float = 0.0
    problems: tuple[str, ...] = ()


class PolicyReport(msgspec.Struct, kw_only=True):
    """What one worker says, in ``worker-<index>.policies.json``.

    Attributes:
        since_ms: Since when the bundle is in force, milliseconds since 1970.
        files: What it was read from, as messages name it.
        tests: How many tests it has passed.
    """

    v: int = VERSION
    index: int = 0
    pid: int = 0
    revision: str = ""
    config_hash: str = ""
    since_ms: int = 0
    files: tuple[str, ...] = ()
    tests: int = 0
    detectors: tuple[DetectorRow, ...] = ()
    rules: tuple[RuleRow, ...] = ()
    last_reload: LastReload = LastReload()


_decoder = msgspec.json.Decoder(PolicyReport)
_encoder = msgspec.json.Encoder()


def report_path(run_dir: Path, index: int) -> Path:
    """Where a worker leaves its report."""
    return run_dir / f"worker-{index}.policies.json"


def write_report(path: Path, report: PolicyReport) -> bool:
    """Replace a worker's report in one step.

    Returns:
        False when the disk would not take it; the next one may.
    """
    draft = path.with_name(path.name + ".new")
    try:
        draft.write_bytes(_encoder.encode(report))
        draft.replace(path)
    except OSError:
        return False
    return True


def read_reports(run_dir: Path) -> list[PolicyReport]:
    """Read the reports of every worker that ever left one, by index; damaged ones are left out."""
    found: list[PolicyReport] = []
    for path in run_dir.glob("worker-*.policies.json"):
        try:
            report = _decoder.decode(path.read_bytes())
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            continue
        if report.v == VERSION:
            found.append(report)
    return sorted(found, key=lambda report: report.index)
