"""Fuzzing guided by coverage, with atheris: ``python -m tests.fuzz.run [TARGET ...] [--seconds N]``.

Each target runs in a process of its own for so many seconds. What it has found on its way stays in ``.fuzz/TARGET``, to
go on from the next time; what breaks a target is written beside it as ``crash-…``: put it into ``tests/fuzz/corpus``,
where the ordinary tests run it for ever after.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
_KEPT = _ROOT / ".fuzz"
_LONGEST_BYTES = 2048
_SLOWEST_S = 10
_MOST_MB = 3000


def fuzz(target: str, seconds: int) -> None:
    """Fuzz one target; does not return."""
    # Installed by make fuzz alone.
    atheris: Any = import_module("atheris")
    with atheris.instrument_imports(include=["gateway"]):
        from tests.fuzz.seeds import seeds
        from tests.fuzz.targets import TARGETS

    folder = _KEPT / target
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(target)):
        (folder / f"seed-{number}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}", f"-max_len={_LONGEST_BYTES}", f"-timeout={_SLOWEST_S}",
        f"-rss_limit_mb={_MOST_MB}", f"-artifact_prefix={_KEPT / target}-", "-print_final_stats=1", "-verbosity=0",
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(folder)], TARGETS[target])
    atheris.Fuzz()


def main() -> int:
    """Fuzz the targets that are named, or all, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all, if none is named")
    parser.add_argument("--seconds", type=int, default=60, help="each target's time (60)")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.alone:
        # What is imported before it is instrumented guides nobody.
        fuzz(args.targets[0], args.seconds)
    from tests.fuzz.targets import TARGETS

    unknown = [name for name in args.targets if name not in TARGETS]
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    broken = [name for name in args.targets or TARGETS if not held(name, args.seconds)]
    return 1 if broken else 0


def held(target: str, seconds: int) -> bool:
    """Fuzz one target in a process of its own, and say what came of it."""
    line = [sys.executable, "-m", "tests.fuzz.run", target, "--alone", "--seconds", str(seconds)]
    ran = subprocess.run(line, cwd=_ROOT, capture_output=True, text=True, check=False)
    runs = [part.split()[-1] for part in ran.stderr.splitlines() if "number_of_executed_units" in part]
    kept = len(list((_KEPT / target).iterdir()))
    said = f"after {runs[0]} inputs, {kept} kept" if runs else "before it began"
    print(f"{target:14} {'held' if not ran.returncode else 'BROKEN'} {said}", flush=True)
    if ran.returncode:
        print(ran.stdout[-4000:], ran.stderr[-2000:], sep="\n", flush=True)
    return not ran.returncode


if __name__ == "__main__":
    sys.exit(main())
