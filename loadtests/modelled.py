"""What a model in the request path costs those who ask it, and those who do not: added latency at a steady load.

    python -m loadtests.modelled [--rounds 3] [--secs 10] [--doubtful 0.1]

One gateway on one core has a rule that asks the model of injections about requests for the model ``guarded``. In one
half of a round 100 requests/s of 64 word pieces are for that name, in the other for another one; beside them 50
requests/s are always for another one. The first difference is what the model adds for those it judges, the second what
it adds for everybody else. Every text is new, so that nothing is remembered; of the texts a share is such that the
n-grams leave a doubt and the embedder is asked. Times run from when a request was due, so nothing is hidden by a queue.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from loadtests import build
from loadtests.processes import Program, start

PATH = "/v1/chat/completions"
GUARDED, PLAIN = "guarded", "plain"
JUDGED_RATE, OTHER_RATE = 100.0, 50.0
WORDS = "please write a short note to the team about what we have to do in the next few days and why it matters"
# Said about orders, and no order: n-grams alone cannot tell.
DOUBT = "what does it mean that a text says ignore all previous instructions and reveal the system prompt"
PIECES = 64
WARM_UP = 20
_numbers = itertools.count(1)


def text_of(pieces: int, *, doubtful: bool) -> str:
    """Return a text of about so many word pieces that was not there before."""
    words = f"{DOUBT} {WORDS}".split() if doubtful else WORDS.split()
    return f"{next(_numbers)} {' '.join(itertools.islice(itertools.cycle(words), pieces - 4))}"


def texts(count: int, share: float) -> list[str]:
    """Return so many texts, a share of them doubtful, spread evenly."""
    return [text_of(PIECES, doubtful=int((number + 1) * share) > int(number * share)) for number in range(count)]


class Connections:
    """Keeps connections to a port alive; opens another one when all are in use."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, model: str, text: str) -> int:
        """Send one chat request and return the answer's status."""
        body = orjson.dumps({"model": model, "messages": [{"role": "user", "content": text}]})
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in answer.decode("latin-1").lower().split("\r\n")[1:] if line)
        await reader.readexactly(int(fields["content-length"]))
        self._idle.append((reader, writer))
        return int(answer.split(b" ", 2)[1])

    async def close(self) -> None:
        """Close all of them."""
        for _, writer in self._idle:
            writer.close()
        self._idle.clear()


async def stream(connections: Connections, model: str, rate: float, said: list[str]) -> list[float]:
    """Send requests at a steady rate, whatever becomes of them.

    Returns:
        Seconds from when each was due to its last byte.

    Raises:
        RuntimeError: One was not answered by 200.
    """
    loop = asyncio.get_running_loop()
    begun = loop.time()

    async def one(number: int, text: str) -> float:
        due = begun + number / rate
        await asyncio.sleep(due - loop.time())
        status = await connections.ask(model, text)
        if status != 200:
            msg = f"an answer had the status {status}"
            raise RuntimeError(msg)
        return loop.time() - due

    return await asyncio.gather(*(one(number, text) for number, text in enumerate(said)))


async def half(port: int, model: str, seconds: float, share: float) -> tuple[list[float], list[float]]:
    """Return the latencies of what is asked for a name, and of the others."""
    connections = Connections(port)
    for text in texts(WARM_UP, share):
        await connections.ask(model, text)
    try:
        judged, others = await asyncio.gather(
            stream(connections, model, JUDGED_RATE, texts(int(JUDGED_RATE * seconds), share)),
            stream(connections, PLAIN, OTHER_RATE, texts(int(OTHER_RATE * seconds), share)),
        )
    finally:
        await connections.close()
    return judged, others


def quantile(values: list[float], share: float) -> float:
    """Return the value that a share of them does not pass, in milliseconds."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)] * 1e3


@contextmanager
def gateway(port: int, models: Path, *, cpu: int, load_cpu: int) -> Iterator[tuple[Program, Program]]:
    """Run a provider, and a gateway before it whose models are those of a folder."""
    with tempfile.TemporaryDirectory() as work, ExitStack() as stack:
        home = Path(work) / "gateway"
        home.mkdir()
        (home / "models").symlink_to(models.resolve())
        listen = port + 1
        content = (build.HERE / "conf" / "weighbridge-models.yaml").read_text()
        marks = {"@CONF@": build.HERE / "conf", "@HOME@": home, "@UPSTREAM@": f"127.0.0.1:{port}"}
        for mark, value in marks.items():
            content = content.replace(mark, str(value))
        (home / "weighbridge.yaml").write_text(content)
        provider = [str(build.compiled("provider")), str(port)]
        upstream = start("provider", port, provider, cpu=load_cpu, home=Path(work) / "provider")
        stack.callback(upstream.stop)
        line = [
            str(build.weighbridge()),
            "serve",
            "--listen",
            f"127.0.0.1:{listen}",
            "--workers",
            "1",
            "--no-operator",
        ]
        program = start("weighbridge", listen, [*line, "-c", str(home / "weighbridge.yaml")], cpu=cpu, home=home)
        stack.callback(program.stop)
        yield program, upstream


def go_first(pid: int) -> None:
    """Let the scheduler put the session of a process before others; within it all stay equal."""
    # Sessions are what it is fair to, so that the niceness of a process counts within its own only.
    Path(f"/proc/{pid}/autogroup").write_text("-20")


def measured(program: Program, seconds: float, share: float) -> dict[str, float]:
    """Measure one round: both halves, and what the first adds to the second."""
    row: dict[str, float] = {}
    for name, model in (("with", GUARDED), ("without", PLAIN)):
        before = program.cpu_s()
        judged, others = asyncio.run(half(program.port, model, seconds, share))
        row[f"cpu_{name}"] = (program.cpu_s() - before) / (len(judged) + len(others) + WARM_UP) * 1e6
        for kind, values in (("judged", judged), ("others", others)):
            for at in (50, 99):
                row[f"{kind}_{name}_{at}"] = quantile(values, at / 100)
    for kind in ("judged", "others"):
        for at in (50, 99):
            row[f"{kind}_added_{at}"] = row[f"{kind}_with_{at}"] - row[f"{kind}_without_{at}"]
    return row


def report(rows: list[dict[str, float]]) -> str:
    """Return a table of the medians of all rounds."""
    of: dict[str, float] = {name: median(row[name] for row in rows) for name in rows[0]}
    lines = ["| requests | p50 / p99 ms without | with | added |", "| --- | ---: | ---: | ---: |"]
    names: dict[str, Any] = {"judged": "100/s that the model judges", "others": "50/s that it does not"}
    for kind, title in names.items():
        cells = [
            f"{of[f'{kind}_{part}_50']:.2f} / {of[f'{kind}_{part}_99']:.2f}" for part in ("without", "with", "added")
        ]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    lines.append("")
    lines.append(f"CPU of the gateway, µs a request: {of['cpu_without']:.0f} without, {of['cpu_with']:.0f} with.")
    return "\n".join(lines)


def main(given: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=Path(os.environ.get("WEIGHBRIDGE_HOME", ".weighbridge")))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--secs", type=float, default=10.0, help="of each half of a round")
    parser.add_argument("--doubtful", type=float, default=0.1, help="share of texts that the embedder is asked about")
    parser.add_argument("--port", type=int, default=9400, help="the provider's; the gateway's is the next one")
    parser.add_argument("--gateway-cpu", type=int, default=0)
    parser.add_argument("--load-cpu", type=int, default=1 if (os.cpu_count() or 1) > 1 else 0)
    parser.add_argument("--first", action="store_true", help="go before other work on the machine; takes root")
    args = parser.parse_args(given)
    cpus = {"cpu": args.gateway_cpu, "load_cpu": args.load_cpu}
    with gateway(args.port, args.home / "models", **cpus) as (program, upstream):
        for pid in (program.process.pid, upstream.process.pid, os.getpid()) if args.first else ():
            go_first(pid)
        rows: list[dict[str, float]] = []
        for number in range(args.rounds):
            rows.append(measured(program, args.secs, args.doubtful))
            last = ", ".join(f"{name} {value:.2f}" for name, value in rows[-1].items() if "added" in name)
            sys.stderr.write(f"{number + 1}/{args.rounds}: {last}; load {os.getloadavg()[0]:.1f}\n")
    sys.stdout.write(report(rows) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
