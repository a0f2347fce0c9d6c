"""``python -m loadtests.replay [CALLS]``: how many recorded calls a second one core judges again by two bundles.

A gateway with ``baseline.yaml`` in force answers the calls (10,000), half of them as streams, one in 50 with a
credential in it, and writes them to its spool. Then the bundle is replayed against itself in this process alone: what
it says must be what was said when the calls were made.
"""

from __future__ import annotations

import http.client
import random
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson

from gateway.app.policies import load_policies
from gateway.app.replay_pool import Replayed, replay
from gateway.app.replaying import Terms
from gateway.config.shipped import shipped_policies_dir
from loadtests.ports import free_port
from loadtests.processes import start

CALLS, CLIENTS = 10_000, 4
PATH = "/v1/chat/completions"
# About 1.2 kB of question and as much of answer.
WORDS = 200
CONFIG = "version: 1\nproviders: {sim: {kind: sim}}\npolicies: {bundle: [baseline.yaml]}\n"
_COMMON: list[str] = re.findall(
    r"\w+",
    "the of and to in a is that for it as was with be by on not he this are or his from at which but have an had they "
    "you were their one all we can her has there been if more when will would who so no service node error rate minute",
)
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def question(number: int) -> bytes:
    """A chat request."""
    rng = random.Random(number)
    words = rng.choices(_COMMON, k=WORDS)
    if number % 50 == 0:
        words.insert(rng.randrange(WORDS), "ghp_" + "".join(rng.choices(_ALPHABET, k=36)))
    turns = [{"role": "system", "content": "You are helpful."}, {"role": "user", "content": " ".join(words)}]
    return orjson.dumps({"model": "sim/echo", "stream": number % 2 == 0, "messages": turns})


def ask(port: int, numbers: range) -> None:
    """Ask some questions on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for number in numbers:
        connection.request("POST", PATH, question(number), {"content-type": "application/json"})
        connection.getresponse().read()
    connection.close()


def recorded(folder: Path, calls: int) -> list[bytes]:
    """Let a gateway answer calls; returns the lines of its spool."""
    port = free_port()
    config = folder / "weighbridge.yaml"
    config.write_text(CONFIG)
    serve = [sys.executable, "-m", "gateway", "serve", "-c", str(config), "--listen", f"127.0.0.1:{port}"]
    program = start("gateway", port, [*serve, "--no-operator"], cpu=0, home=folder / "home")
    try:
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(lambda first: ask(port, range(first, calls, CLIENTS)), range(CLIENTS)))
    finally:
        program.stop()
    return list(lines(folder / "home" / "spool"))


def lines(spool: Path) -> Iterator[bytes]:
    """The whole lines of a spool."""
    for segment in sorted(each for each in spool.iterdir() if each.is_file()):
        yield from segment.read_bytes().split(b"\n")[:-1]


def replayed(found: list[bytes]) -> tuple[Replayed, float]:
    """Replay the bundle against itself; returns what was found and the processor seconds that it took."""
    files = (("shipped/baseline.yaml", shipped_policies_dir() / "baseline.yaml"),)
    old, new = load_policies(files), load_policies(files)
    began = time.process_time()
    result = replay(found, old, new, Terms(), 1, lambda _: None)
    return result, time.process_time() - began


def main(calls: int) -> None:
    """Record, replay and say how fast."""
    with tempfile.TemporaryDirectory() as folder:
        found = recorded(Path(folder), calls)
    result, took_s = replayed(found)
    tally = result.tally
    bytes_a_call = sum(map(len, found)) // max(1, len(found))
    print(f"{len(found)} calls recorded, {bytes_a_call} bytes a line")
    print(f"{tally.replayed} judged by both bundles, {tally.replayed / took_s:.0f} a second of processor time")
    print(f"as recorded {tally.as_recorded}, not so {tally.not_as_recorded}, carried {tally.carried}, {tally.left_out}")
    request, answer = tally.after.request_ns / max(1, tally.requests), tally.after.answer_ns / max(1, tally.answers)
    print(f"a request takes {request / 1000:.0f} µs, an answer {answer / 1000:.0f} µs (of {tally.requests} timed)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS)
