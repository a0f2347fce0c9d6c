"""What a kept answer costs beside one that is fetched: CPU time a call, in one process, without the sockets.

python -m loadtests.cache [ROUNDS]

The same small chat call goes through four gateways in turn, round by round, so that what else the machine does falls on
all of them: without a cache, with one that has the answer, with one that has not, and with one that is told not to
look. A fetched answer costs a gateway two more system calls than are seen here, and what its provider takes.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from statistics import median

from loadtests.steps import CALLS, CONFIG, QUESTION, UPSTREAM, Bench

ROUNDS = 200
_PROVIDER = (
    f"providers: {{p: {{kind: openai, base_url: '{UPSTREAM}'}}}}\n"
    "models: [{alias: '*', candidates: [{provider: p, model: '{model}'}]}]\n"
)
_CACHE = "cache: {exact: {ttl: 1h}, max_entries: 2000}\n"


def questions(numbers: Iterator[int]) -> list[bytes]:
    """Questions that nobody has asked before."""
    return [QUESTION.replace(b"hello there ", b"hello %d " % next(numbers), 1) for _ in range(CALLS)]


async def measured(home: Path, rounds: int) -> dict[str, float]:
    """CPU time a call in microseconds, the middle one of all rounds."""
    for name in ("relay", "hit", "miss"):
        (home / name).mkdir()
    benches = {
        "relay": Bench(home / "relay", CONFIG + _PROVIDER, None),
        "hit": Bench(home / "hit", CONFIG + _PROVIDER + _CACHE, None),
        "miss": Bench(home / "miss", CONFIG + _PROVIDER + _CACHE, None),
    }
    numbers = count()
    for bench in benches.values():
        # The first of them brings the answer, which the others are given when they come.
        for _ in range(3):
            await bench.turn(questions=[QUESTION, *questions(numbers)[1:]])
        if not all(kept.last.startswith(b"HTTP/1.1 200 OK\r\n") for kept in bench.transports):
            raise ValueError([kept.last[:200] for kept in bench.transports])
    took: dict[str, list[float]] = {name: [] for name in benches}
    for _ in range(rounds):
        for name, bench in benches.items():
            asked = [QUESTION] * CALLS if name == "hit" else questions(numbers)
            began = time.process_time()
            await bench.turn(questions=asked)
            took[name].append((time.process_time() - began) / CALLS * 1e6)
    if b"x-weighbridge-cache: hit-exact" not in benches["hit"].transports[0].last:
        raise ValueError("the answer was not kept")
    for bench in benches.values():
        await bench.close()
    return {name: median(each) for name, each in took.items()}


def main() -> int:
    """Print what each costs, and beside the relay."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory(prefix="weighbridge-cache-") as home:
        told = asyncio.run(measured(Path(home), rounds))
    for name, took in told.items():
        sys.stdout.write(f"{name:6} {took:7.1f} us CPU a call, {took / told['relay']:.2f} x relay\n")
    sys.stdout.write(f"a miss costs {told['miss'] - told['relay']:.1f} us more than without a cache\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
