"""``python -m loadtests.scale``: what one worker does, what two do, and what they share, counting limits in one Redis.

The generator, the provider and Redis take the same cores as the workers, so what is compared is processor time a call.
In production they are elsewhere, and a worker has a core to itself: it does as many calls a second as fit into one
second of its own time, and two do twice as many as long as a call does not cost more beside another worker. The gain is

    2 * (worker time a call, one worker) / (worker time a call, two workers)

Whether such sums tell what happens is checked where all share two cores: calls a second are then the seconds that the
cores have, over what a call takes of all that run on them, and no worker has more than one of them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests import build
from loadtests.admission import redis
from loadtests.modelled import go_first
from loadtests.processes import LOAD_KEY, Program, listening, on_cpu_ns, start
from loadtests.scenarios import SCENARIOS, WARM_UP_S, Scenario

TIGHT_KEY = "sk-tight"
TIGHT_CALLS, TIGHT_S = 1_000, 10.0
CPUS = "0,1"
WORKERS = (1, 2)
PORT_AFTER = {1: 1, 2: 2}


@dataclass(frozen=True)
class Cost:
    """Of one unit, a call or a chunk, in microseconds of a processor.

    Attributes:
        per_s: Units a second, as it went.
        worker_us, redis_us, other_us: Of all workers, of Redis, and of provider and generator.
        busiest: The busiest worker's share of what the workers took; 0.5 is even for two.
        worker_cores: How many cores the workers had.
    """

    workers: int
    per_s: float
    worker_us: float
    redis_us: float
    other_us: float
    busiest: float
    worker_cores: float

    @property
    def expected_per_s(self) -> float:
        """What two cores give where all of it runs on them; each worker has one core at the most."""
        return min(self.workers * 1e6 / self.worker_us, 2e6 / (self.worker_us + self.redis_us + self.other_us))


class Rig:
    """What runs: Redis, the provider, a gateway for each number of workers."""

    def __init__(self, home: Path, port: int, stack: ExitStack) -> None:
        self.port = port
        self._home = home
        self._redis_port = stack.enter_context(redis())
        self._redis = pid_listening(self._redis_port)
        provider = [str(build.compiled("provider")), str(port)]
        self._provider = start("provider", port, provider, cpu=CPUS, home=home / "provider")
        stack.callback(self._provider.stop)
        self.gateways: dict[int, Program] = {}
        for workers in WORKERS:
            self.gateways[workers] = self._gateway(workers)
            stack.callback(self.gateways[workers].stop)

    def _gateway(self, workers: int) -> Program:
        home, port = self._home / f"workers-{workers}", self.port + PORT_AFTER[workers]
        home.mkdir()
        text = (build.HERE / "conf" / "weighbridge-scale.yaml").read_text()
        for mark, value in {
            "@WORKERS@": workers, "@HOME@": home, "@REDIS@": self._redis_port, "@UPSTREAM_PORT@": self.port,
            "@POLICIES@": build.HERE.parent / "policies", "@TIGHT@": TIGHT_CALLS,
        }.items():  # fmt: skip
            text = text.replace(mark, str(value))
        (home / "weighbridge.yaml").write_text(text)
        line = [str(build.weighbridge()), "serve", "--listen", f"127.0.0.1:{port}", "--no-operator"]
        return start(f"{workers} workers", port, [*line, "-c", str(home / "weighbridge.yaml")], cpu=CPUS, home=home)

    def sessions(self) -> list[int]:
        """What leads each session that the scheduler is fair to."""
        return [each.process.pid for each in (self._provider, *self.gateways.values())]

    def load(self, workers: int, options: tuple[str, ...], seconds: float, key: str = LOAD_KEY) -> dict[str, Any]:
        """Put a load on one of the gateways; gives the generator's figures and what it used itself."""
        line = [str(build.compiled("generator")), *options, "-t", str(seconds), "-k", key]
        before = os.times()
        done = subprocess.run(
            [*line, str(self.gateways[workers].port)], capture_output=True, text=True, timeout=seconds + 60, check=True
        )
        after = os.times()
        used_s = after.children_user + after.children_system - before.children_user - before.children_system
        return json.loads(done.stdout) | {"generator_s": used_s}

    def measure(self, workers: int, scenario: Scenario, seconds: float) -> Cost:
        """What one unit of a load costs whom."""
        gateway = self.gateways[workers]
        pids = gateway.pids()
        before = [on_cpu_ns(pid) for pid in pids], on_cpu_ns(self._redis), self._provider.cpu_s()
        row = self.load(workers, (*scenario.options, "-W", str(WARM_UP_S)), seconds)
        after = [on_cpu_ns(pid) for pid in pids], on_cpu_ns(self._redis), self._provider.cpu_s()
        if row["bad"] + row["broken"] + row["incomplete"]:
            sys.exit(f"{workers} workers: {row}")
        units = row["served"] if scenario.unit == "request" else row["chunks_served"]
        each_ns = [late - early for early, late in zip(before[0], after[0], strict=True)]
        whole_s = seconds + WARM_UP_S
        return Cost(
            workers=workers,
            per_s=units / whole_s,
            worker_us=sum(each_ns) / 1e3 / units,
            redis_us=(after[1] - before[1]) / 1e3 / units,
            other_us=(after[2] - before[2] + row["generator_s"]) * 1e6 / units,
            busiest=max(each_ns) / sum(each_ns),
            worker_cores=sum(each_ns) / 1e9 / whole_s,
        )

    def admitted(self, workers: int) -> tuple[int, int]:
        """How many calls a limit lets pass that all workers are asked at once for, and how many it turns back."""
        row = self.load(workers, ("-c", "64", "-W", "0"), TIGHT_S, TIGHT_KEY)
        return int(row["ok"]), int(row["bad"])


def pid_listening(port: int) -> int:
    """The process that listens on a port of loopback."""
    return next(iter(listening(port)))


def median(costs: list[Cost], what: str) -> float:
    """Of one figure."""
    return statistics.median(getattr(each, what) for each in costs)


def show(title: str, costs: dict[int, list[Cost]]) -> None:
    """Print what came of a load."""
    sys.stdout.write(f"\n{title}\n\n| workers | units/s | workers' µs | Redis µs | provider and generator µs |")
    sys.stdout.write(" cores that workers had | busiest worker | told by the sum, units/s |\n")
    sys.stdout.write("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
    for workers, found in costs.items():
        names = ("per_s", "worker_us", "redis_us", "other_us", "worker_cores", "busiest", "expected_per_s")
        per_s, worker, store, other, cores, busiest, expected = (median(found, name) for name in names)
        sys.stdout.write(f"| {workers} | {per_s:,.0f} | {worker:.1f} | {store:.1f} | {other:.1f} | {cores:.2f} | ")
        sys.stdout.write(f"{busiest:.0%} | {expected:,.0f} |\n")
    gains = sorted(2 * one.worker_us / two.worker_us for one, two in zip(costs[1], costs[2], strict=True))
    with_redis = sorted(
        2 * (one.worker_us + one.redis_us) / (two.worker_us + two.redis_us)
        for one, two in zip(costs[1], costs[2], strict=True)
    )
    told = {n: statistics.median(each.per_s / each.expected_per_s for each in found) for n, found in costs.items()}
    sys.stdout.write(
        f"\ntwo workers do {statistics.median(gains):.2f} times what one does ({gains[0]:.2f} to {gains[-1]:.2f}), "
        f"{statistics.median(with_redis):.2f} with Redis on the same cores; "
        f"of what the sums tell came {told[1]:.2f} with one and {told[2]:.2f} with two\n"
    )


def main() -> int:
    """Measure one beside the other, round by round."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.scale", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--secs", type=float, default=3.0, help="measured seconds a cell (default: %(default)s)")
    parser.add_argument("--port", type=int, default=9400, help="the provider's; the gateways take the two above it")
    parser.add_argument("--scenarios", default="c64,stream64", help=f"of {', '.join(SCENARIOS)}")
    parser.add_argument("--first", action="store_true", help="go before other work, by setsid -w; takes root")
    options = parser.parse_args()
    os.environ["WEIGHBRIDGE_TIGHT_KEY"] = TIGHT_KEY
    with tempfile.TemporaryDirectory(prefix="weighbridge-scale-") as home, ExitStack() as stack:
        rig = Rig(Path(home), options.port, stack)
        for pid in (*rig.sessions(), os.getpid()) if options.first else ():
            go_first(pid)
        for name in options.scenarios.split(","):
            costs: dict[int, list[Cost]] = {workers: [] for workers in WORKERS}
            for workers in WORKERS:
                # What is loaded at a first call is no part of any.
                rig.measure(workers, SCENARIOS[name], options.secs)
            for turn in range(options.rounds):
                for workers in WORKERS if turn % 2 == 0 else WORKERS[::-1]:
                    costs[workers].append(rig.measure(workers, SCENARIOS[name], options.secs))
            show(f"{name}: {SCENARIOS[name].title}, a unit is a {SCENARIOS[name].unit}", costs)
        admitted = {workers: rig.admitted(workers) for workers in WORKERS}
        for workers, (passed, refused) in admitted.items():
            sys.stdout.write(f"\n{workers}: a limit of {TIGHT_CALLS} let {passed} pass and turned {refused} back\n")
    return 0 if all(passed == TIGHT_CALLS and refused for passed, refused in admitted.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
