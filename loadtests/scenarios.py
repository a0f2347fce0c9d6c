"""The loads, and how one of them is put on one target."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.processes import Program

WARM_UP_S = 0.5


@dataclass(frozen=True)
class Scenario:
    """One load.

    Attributes:
        options: What the generator is told (generator.c).
        unit: What CPU time is divided by: a request or a relayed chunk.
    """

    title: str
    options: tuple[str, ...]
    unit: str


SCENARIOS = {
    "c64": Scenario("64 connections, closed loop, whole answers", ("-c", "64"), "request"),
    "paced100": Scenario("100 requests/s, open loop, whole answers", ("-c", "64", "-r", "100"), "request"),
    "stream64": Scenario(
        "64 streams of 100 chunks, one each 5 ms", ("-s", "-c", "64", "-n", "100", "-d", "5000"), "chunk"
    ),
    "burst": Scenario("64 streams of 100 chunks, as fast as they go", ("-s", "-c", "64", "-n", "100"), "chunk"),
}


def measure(
    generator: list[str], port: int, scenario: Scenario, *, seconds: float, cold: bool, program: Program | None
) -> dict[str, Any]:
    """Put a load on a port.

    Args:
        generator: The generator's command line up to its options.
        cold: Each connection first asks POST /healthz.
        program: Whose CPU time and memory to read; ``None`` for the provider itself.

    Returns:
        The generator's figures, and ``cpu_us`` a unit, ``cpu_share`` of one core, ``rss_mb``. CPU time is read around
        the whole run, warm-up and connecting included, and divided by everything that was served in it.
    """
    command = [
        *generator,
        *scenario.options,
        "-t",
        str(seconds),
        "-W",
        str(WARM_UP_S),
        *(["-g"] if cold else []),
        str(port),
    ]
    before = program.cpu_s() if program else 0.0
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=True)
    used_s = (program.cpu_s() if program else 0.0) - before
    row: dict[str, Any] = json.loads(done.stdout)
    units = row["served"] if scenario.unit == "request" else row["chunks_served"]
    row["cpu_us"] = used_s * 1e6 / units if units else None
    row["cpu_share"] = used_s / (seconds + WARM_UP_S)
    row["rss_mb"] = program.rss_mb() if program else 0.0
    return row


def generator_command(program: Path, cpu: int) -> list[str]:
    """The generator, pinned."""
    return ["taskset", "-c", str(cpu), str(program)]
