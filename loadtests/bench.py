"""``python -m loadtests.bench``: the gateway beside nginx and Envoy, on one machine, in alternating rounds."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from loadtests import build, report, targets
from loadtests.processes import Program, StartError, start
from loadtests.scenarios import SCENARIOS, generator_command, measure


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="make bench ARGS=…",
        description="Puts the same loads on several gateways before one synthetic provider; prints a markdown report.",
        epilog="example: make bench ARGS='--targets direct,envoy,weighbridge --scenarios c64 --rounds 5 --secs 4'",
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often every cell is measured")
    parser.add_argument("--secs", type=float, default=3.0, help="measured seconds a cell")
    parser.add_argument(
        "--targets", default=",".join(targets.DEFAULT), help="names, separated by commas (default: %(default)s)"
    )
    parser.add_argument(
        "--scenarios", default=",".join(SCENARIOS), help="names, separated by commas (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, help="also write every row to this file, one JSON object a line")
    parser.add_argument(
        "--port", type=int, default=9100, help="the provider's port; gateways use ports up to 200 above it"
    )
    parser.add_argument("--peers", type=Path, default=build.BIN / "peers", help="where Envoy is, or is to be installed")
    parser.add_argument("--gateway-cpu", type=int, default=0, help="CPU of the gateway under test")
    parser.add_argument(
        "--load-cpu",
        type=int,
        default=1 if (os.cpu_count() or 1) > 1 else 0,
        help="CPU of the provider and the generator",
    )
    parser.add_argument(
        "--command",
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="a further target; {port} and {upstream} are filled in; may be given several times",
    )
    options = parser.parse_args(given)
    options.others = dict(item.split("=", 1) for item in options.command)
    options.targets = [*options.targets.split(","), *options.others]
    options.scenarios = options.scenarios.split(",")
    if wrong := [name for name in options.targets if not targets.known(name, options.others)]:
        known = ", ".join(["direct", *targets.COMMANDS])
        parser.error(f"unknown target {', '.join(wrong)}; known: {known}; each but direct also with {targets.COLD}")
    if wrong := [name for name in options.scenarios if name not in SCENARIOS]:
        parser.error(f"unknown scenario {', '.join(wrong)}; known: {', '.join(SCENARIOS)}")
    return options


@contextmanager
def running(site: targets.Site, names: list[str], load_cpu: int) -> Iterator[tuple[dict[str, Program], dict[str, str]]]:
    """The provider and every target, stopped at the end.

    Yields:
        What runs, by name, and what did not start, with the reason.
    """
    programs: dict[str, Program] = {}
    failures: dict[str, str] = {}
    with ExitStack() as stack:
        provider = [str(build.compiled("provider")), str(site.port)]
        stack.callback(start("provider", site.port, provider, cpu=load_cpu, home=site.home / "provider").stop)
        for name in dict.fromkeys(name.removesuffix(targets.COLD) for name in names if name != "direct"):
            try:
                programs[name] = targets.launch(site, name)
            except (StartError, build.BuildError) as error:
                failures[name] = str(error)
                note(f"{name}: {error}")
            else:
                stack.callback(programs[name].stop)
                note(f"{name}: answered after {programs[name].start_ms:.0f} ms, {programs[name].rss_mb():.0f} MB")
        yield programs, failures


def note(line: str) -> None:
    """Tell whoever waits; the report alone goes to standard output."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def progress(row: dict[str, Any], rounds: int) -> None:
    """One line a cell, for whoever waits."""
    latency, cell = row["latency_us"], f"{row['round'] + 1}/{rounds} {row['scenario']:9} {row['target']:24}"
    rates = f"{row['requests_per_s']:8.0f} requests/s, CPU {row['cpu_us'] or 0:7.1f} µs"
    note(f"{cell} {rates}, p50 {latency['p50']:8.0f} µs, p99 {latency['p99']:8.0f} µs {row['complaint']}")


def measured(options: argparse.Namespace, site: targets.Site, programs: dict[str, Program]) -> Iterator[dict[str, Any]]:
    """Every cell, round by round; the order of targets turns, so that none is always first."""
    generator = generator_command(build.compiled("generator"), options.load_cpu)
    ready = [name for name in options.targets if name == "direct" or name.removesuffix(targets.COLD) in programs]
    for turn in range(options.rounds):
        shift = turn % len(ready) if ready else 0
        for scenario in options.scenarios:
            for name in ready[shift:] + ready[:shift]:
                program = programs.get(name.removesuffix(targets.COLD))
                port = program.port if program else site.port
                cold = name.endswith(targets.COLD)
                row = measure(generator, port, SCENARIOS[scenario], seconds=options.secs, cold=cold, program=program)
                row |= {"target": name, "scenario": scenario, "round": turn, "load": os.getloadavg()[0]}
                progress(row, options.rounds)
                yield row


def heading(options: argparse.Namespace, programs: dict[str, Program], failures: dict[str, str]) -> str:
    """What a reader must know to judge the figures."""
    starts = "; ".join(f"{name} {program.start_ms:.0f} ms" for name, program in programs.items())
    machine = f"{os.cpu_count()} CPUs ({cpu_model()}), Linux {platform.release()}, Python {platform.python_version()}."
    places = (
        f"Gateway: one worker on CPU {options.gateway_cpu}. Provider and generator: CPU {options.load_cpu}. Loopback."
    )
    rounds = f"Median of {options.rounds} alternating rounds of {options.secs:g} s; compare inside one report only."
    cpu = "CPU is user and system time of the gateway's processes, without the operator's."
    first = f"Time to the first answer: {starts or 'nothing was started'}."
    lines = ["# Load test", "", machine, places, rounds, cpu, "", first]
    lines += [f"\nNot measured: {name}: {reason}" for name, reason in failures.items()]
    return "\n".join(lines)


def cpu_model() -> str:
    """The processor's name, as Linux gives it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def main() -> int:
    """Run, print, and say by the exit code whether everything that was asked for was measured without an error."""
    options = arguments()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="weighbridge-bench-") as home:
        site = targets.Site(options.port, Path(home), options.peers.resolve(), options.gateway_cpu, options.others)
        with running(site, options.targets, options.load_cpu) as (programs, failures):
            for row in measured(options, site, programs):
                rows.append(row)
                if options.out:
                    with options.out.open("a") as out:
                        out.write(json.dumps(row) + "\n")
            sys.stdout.write(report.markdown(rows, heading(options, programs, failures)))
    failed = sum(row["bad"] + row["broken"] + row["incomplete"] for row in rows)
    return 1 if failures or failed else 0


if __name__ == "__main__":
    sys.exit(main())
