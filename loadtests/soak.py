"""``python -m loadtests.soak``: a day's calls in twenty minutes: nothing grows, nothing stays open, the books agree.

Two workers, a real Redis for limits, ClickHouse's engine behind its HTTP interface, clients of six dialects. The first
quarter of the time is for caches to fill. Then the memory of each process of the gateway is read once a second, and a
line is fitted through it; its slope is told by the hour that passed, and by the hour of the day that is run 72 times as
fast. What is open is counted in the silence before and after. The configuration is reloaded again and again. At the end
the store, Redis and the gateway's own metrics are held against what the clients saw.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self, cast

import orjson

from loadtests import soak_books
from loadtests.slopes import slope
from loadtests.soak_calls import LOAD_KEY, TIGHT_CALLS, TIGHT_KEY, UNLUCKY_KEY
from tests.support.chaos import DIALECTS
from tests.support.clickhouse_shim import ClickHouseShim
from tests.support.engine import fresh_database
from tests.support.gateway_run import Gateway, open_files, resident_kb, running_anew, until
from tests.support.redis_server import RedisServer, redis_server

CONF = Path(__file__).parent / "conf"
WORKERS = 2
WARM_UP = 0.25
RELOAD_EVERY_S = 20.0
# A day's calls in twenty minutes: what grows by calls and reloads grows so many times as fast.
FASTER = 72
MOST_MB_PER_HOUR = 1.0
QUIET_S = 120.0
SAY_EVERY = 60
SPARE = {"files": 0, "threads": 4, "tasks": 1}
KINDS = {
    "openai_chat": ("openai", "/v1", ", api_key: env:SOAK_PROVIDER_KEY"),
    "openai_responses": ("openai", "/v1", ", api_key: env:SOAK_PROVIDER_KEY"),
    "anthropic_messages": ("anthropic", "/v1", ", api_key: env:SOAK_PROVIDER_KEY"),
    "gemini": ("gemini", "/v1beta", ", api_key: env:SOAK_PROVIDER_KEY"),
    "bedrock_converse": ("bedrock", "", ", region: eu-west-1, api_key: env:SOAK_PROVIDER_KEY"),
    "triton": ("triton", "", ", on_unsupported: drop"),
}
# Of each process, how many of what.
Held = dict[str, dict[str, int]]
# Calls that meet a fault are many on purpose: no deployment is left alone for it.
BREAKER = "{consecutive: 1000000, min_calls: 1000000}"


def configuration(provider: int, redis: int, traces: str, body: str) -> str:
    """The gateway's configuration."""
    providers = [
        f'  {name}-{dialect}: {{kind: {kind}, base_url: "http://127.0.0.1:{provider}{path}"{more}}}'
        for dialect, (kind, path, more) in KINDS.items()
        for name in ("good", "bad")
    ]
    models = [
        f"  - {{alias: {name}_{dialect}, candidates: [{{provider: {at}-{dialect}, model: m-{name}}}], "
        f"retry: {{attempts: 0}}, breaker: {BREAKER}}}"
        for dialect in DIALECTS
        for name, at in (("native", "good"), ("bad", "bad"))
    ]
    models.append(
        "  - {alias: saved, candidates: [{provider: bad-gemini, model: m-saved}], "
        f"fallback: [good-openai_chat/m-native], retry: {{attempts: 1}}, breaker: {BREAKER}}}"
    )
    text = (CONF / "weighbridge-soak.yaml").read_text()
    for mark, value in {
        "@BODY@": body, "@REDIS@": redis, "@TRACES@": traces, "@TIGHT@": TIGHT_CALLS,
        "@PROVIDERS@": "\n".join(providers), "@MODELS@": "\n".join(models),
    }.items():  # fmt: skip
        text = text.replace(mark, str(value))
    return text


PRICES = "".join(
    f"- {{provider: {name}-{dialect}, model: {model}, input: 1.0, output: 3.0}}\n"
    for dialect in DIALECTS
    for name, model in (("good", "m-native"), ("bad", "m-bad"), ("bad", "m-saved"))
)


@dataclass
class Watch:
    """What each process of the gateway holds, once a second.

    Attributes:
        pids: By name; one that is replaced was lost.
        times_s: When it was looked.
        resident_kb: By process.
    """

    pids: dict[str, int]
    times_s: list[float] = field(default_factory=list[float])
    resident_kb: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Look until told to stop; each minute say what is seen, for whoever waits."""
        while not self._over.wait(1.0):
            self.times_s.append(time.monotonic())
            for name, pid in self.pids.items():
                self.resident_kb.setdefault(name, []).append(resident_kb(pid))
            if len(self.times_s) % SAY_EVERY == 0:
                held = ", ".join(f"{name} {values[-1] / 1024:.1f}" for name, values in self.resident_kb.items())
                sys.stderr.write(f"{self.times_s[-1] - self.times_s[0]:.0f} s: MB resident: {held}\n")

    @contextlib.contextmanager
    def looking(self) -> Iterator[None]:
        """Look while the block runs."""
        thread = threading.Thread(target=self.run)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()


def processes(gateway: Gateway) -> dict[str, int]:
    """The gateway's processes by name."""
    workers = {f"worker {index}": gateway.worker_pid(index) for index in range(WORKERS)}
    return {"supervisor": gateway.process.pid, **workers, "operator": gateway.operator["pid"]}


def quiet(gateway: Gateway) -> bool:
    """Whether nothing is under way, and all is shipped."""
    for index in range(WORKERS):
        counts = gateway.counts(index)
        if counts["in_flight"] or counts["client_connections"] or counts["upstream_connections"].get("busy", 0):
            return False
    return gateway.ask_operator("/api/status").json()["shipper"]["lag_bytes"] == 0


def held(gateway: Gateway) -> Held:
    """Files, threads and tasks of each process while nothing is under way; connections kept to providers aside."""
    until(lambda: quiet(gateway) or None, QUIET_S)
    found: Held = {}
    for name, pid in processes(gateway).items():
        # Now and then a file is open for a moment.
        looks = [_held(gateway, name, pid) for _ in range(3) if gateway.next_counts(0)]
        found[name] = {what: min(look[what] for look in looks) for what in looks[0]}
    return found


def _held(gateway: Gateway, name: str, pid: int) -> dict[str, int]:
    files, threads = open_files(pid), len(list(Path(f"/proc/{pid}/task").iterdir()))
    if not name.startswith("worker"):
        return {"files": files, "threads": threads}
    counts = gateway.counts(int(name.split()[1]))
    idle = counts["upstream_connections"].get("idle", 0)
    return {"files": files - idle, "threads": threads, "tasks": counts["tasks"]}


class Beside:
    """One of our own programs, in a process of its own."""

    def __init__(self, module: str, *words: str) -> None:
        line = [sys.executable, "-m", module, *words]
        self._process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Self:
        """Have it until the block ends."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def say(self, line: bytes) -> None:
        """Tell it something."""
        told = cast("IO[bytes]", self._process.stdin)
        told.write(line + b"\n")
        told.flush()

    def hear(self) -> bytes:
        """Wait for its next line."""
        if line := cast("IO[bytes]", self._process.stdout).readline():
            return line
        sys.exit("a program beside the gateway has ended")


class Soak:
    """One run.

    Args:
        gateway: Under test.
        clients: The clients' process.
        home: Where the configuration is.
        texts: Two of it, to put in force by turns.
    """

    def __init__(self, gateway: Gateway, clients: Beside, home: Path, texts: tuple[str, str]) -> None:
        self.gateway = gateway
        self._clients = clients
        self._file = home / "weighbridge.yaml"
        self._texts = texts
        self.reloads = 0

    def call(self, seconds: float) -> dict[str, Any]:
        """Let the clients call for so long, reload meanwhile, and give their book so far."""
        self._clients.say(b"%f" % seconds)
        ends_s = time.monotonic() + seconds
        while (left_s := ends_s - time.monotonic()) > RELOAD_EVERY_S:
            time.sleep(min(RELOAD_EVERY_S, left_s))
            self.reload()
        return orjson.loads(self._clients.hear())

    def reload(self) -> None:
        """Put another configuration in force."""
        self.reloads += 1
        draft = self._file.with_suffix(".new")
        draft.write_text(self._texts[self.reloads % 2])
        draft.replace(self._file)
        self.gateway.process.send_signal(signal.SIGHUP)

    def rest(self, before: Held | None = None) -> Held:
        """What is held when nothing is under way; connections that are kept for a while may go first."""
        ends_s = time.monotonic() + QUIET_S
        while excess(before or {}, after := held(self.gateway)) and time.monotonic() < ends_s:
            continue
        return after


def excess(before: Held, after: Held) -> list[str]:
    """What is more than it was; pools of threads grow to their size, and a reload may have left a task for a while."""
    return [
        f"{name} holds {after[name][what]} {what} after, {number} before"
        for name, counts in before.items()
        for what, number in counts.items()
        if after[name][what] > number + SPARE[what]
    ]


def report(watch: Watch, before: Held, after: Held, calls: int) -> list[str]:
    """Print what is held; give what is too much of it."""
    problems, unsure = excess(before, after), list[str]()
    print("\n| process | MB, first to last | MB an hour | of the day | bytes a call | files | threads | tasks |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, values in watch.resident_kb.items():
        found = slope(watch.times_s, [each / 1024 for each in values])
        grown = found.per_hour * (watch.times_s[-1] - watch.times_s[0]) / 3600 * 2**20 / max(1, calls)
        counts = [
            f"{before[name][what]} → {after[name][what]}" if what in before[name] else "–"
            for what in ("files", "threads", "tasks")
        ]
        print(
            f"| {name} | {values[0] / 1024:.1f} → {values[-1] / 1024:.1f} | {found.per_hour:+.2f} ± {found.half:.2f} "
            f"| {found.per_hour / FASTER:+.3f} ± {found.half / FASTER:.3f} | {grown:+.2f} | {' | '.join(counts)} |"
        )
        if found.least > MOST_MB_PER_HOUR * FASTER:
            problems.append(f"{name} grows by {found.per_hour / FASTER:.1f} MB an hour of the day")
        elif found.most > MOST_MB_PER_HOUR * FASTER:
            unsure.append(name)
    if unsure:
        print(
            f"\ntoo short to say of {', '.join(unsure)} whether it grows by less than {MOST_MB_PER_HOUR:g} MB an hour"
        )
    return problems


def soak(options: argparse.Namespace, home: Path, gateway: Gateway, redis: RedisServer, texts: tuple[str, str]) -> int:
    """Warm up, measure, compare; gives the exit code."""
    seconds: float = options.minutes * 60
    with Beside("loadtests.soak_clients", str(gateway.port), str(options.clients)) as calling:
        run = Soak(gateway, calling, home, texts)
        warm = run.call(seconds * WARM_UP)
        before, pids = run.rest(), processes(gateway)
        watch = Watch(pids)
        with watch.looking():
            book = run.call(seconds * (1 - WARM_UP))
        after = run.rest(before)
        if options.out:
            options.out.write_bytes(orjson.dumps({"times_s": watch.times_s, "resident_kb": watch.resident_kb}))
        problems = [] if processes(gateway) == pids else ["a process was lost"]
        calls = book["calls"] - warm["calls"]
        print(f"{book['calls']} calls, {calls} of them measured, {calls / seconds / (1 - WARM_UP):.0f} a second")
        print(f"{run.reloads} reloads")
        problems += report(watch, before, after, calls)
        problems += soak_books.compare(gateway, redis, book)
        applied = sum(gateway.counts(index)["config_reloads"].get("applied", 0) for index in range(WORKERS))
        if applied != WORKERS * run.reloads:
            problems.append(f"{applied} of {WORKERS * run.reloads} reloads were applied")
        problems += book["wrong"]
    for each in problems:
        print(f"WRONG: {each}")
    print("the books agree and nothing grows" if not problems else f"{len(problems)} things are wrong")
    return 1 if problems else 0


def main() -> int:
    """Put all together."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.soak", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument(
        "--minutes", type=float, default=20.0, help="in all, the warm-up included (default: %(default)s)"
    )
    parser.add_argument("--clients", type=int, default=12, help="calls at once (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="also write what was seen of memory each second to this file, as JSON")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="weighbridge-soak-")))
        redis = stack.enter_context(redis_server())
        provider = stack.enter_context(Beside("loadtests.soak_provider"))
        port = int(provider.hear().rpartition(b" ")[2])
        store = ClickHouseShim()
        store.start()
        stack.callback(store.close)
        url = store.url(fresh_database())
        texts = (
            configuration(port, redis.port, url, "4KiB"),
            configuration(port, redis.port, url, "2KiB"),
        )
        (folder / "rules").mkdir()
        (folder / "rules" / "soak.yaml").write_text((CONF / "rules" / "soak.yaml").read_text())
        (folder / "prices.yaml").write_text(PRICES)
        keys = {"LOAD": LOAD_KEY, "TIGHT": TIGHT_KEY, "UNLUCKY": UNLUCKY_KEY, "PROVIDER": "sk-provider-of-the-soak"}
        environ = {f"SOAK_{name}_KEY": key for name, key in keys.items()}
        gateway = stack.enter_context(running_anew(folder, operator=True, config=texts[0], **environ))
        return soak(options, folder, gateway, redis, texts)


if __name__ == "__main__":
    sys.exit(main())
