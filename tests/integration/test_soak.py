"""Thousands of calls of every kind, then quiet: nothing is left behind."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtests import build
from tests.support.figures import SOAK, measured
from tests.support.gateway_run import Gateway, chat, open_files, resident_kb, running, until
from tests.support.raw_client import head, request, talk

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.skipif(not (shutil.which("cc") or shutil.which("gcc")), reason="no C compiler"),
    pytest.mark.timeout(900),
]

WARM_UP = 1_000
CALLS = 10_000 if SOAK else 2_000
CLIENTS = 16
CONFIG = """
    version: 1
    providers:
      scripted: {{kind: openai, base_url: "http://127.0.0.1:{port}/v1"}}
      nobody: {{kind: openai, base_url: "http://127.0.0.1:{closed}/v1"}}
    models:
      - {{alias: gpt-4o-mini, candidates: [{{provider: scripted, model: gpt-4o-mini}}]}}
      - {{alias: nobody, candidates: [{{provider: nobody, model: nobody}}]}}
    stores: {{spool: {{max_bytes: 64MiB}}}}
"""


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    program = build.compiled("provider", tmp_path_factory.mktemp("soak"))
    with subprocess.Popen([program, "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline().rpartition(" ")[2])
        process.kill()


async def leave(port: int) -> None:
    """Go away in the middle of a stream."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(chat("gpt-4o-mini", "@n=500,d=2000@", stream=True)))
    await head(reader)
    await reader.readuntil(b"token")
    writer.close()


async def one(port: int, number: int) -> str:
    """One call of a kind that its number says; returns what came of it."""
    kind = number % 10
    if kind == 9:
        await leave(port)
        return "left"
    if kind == 8:
        answer = await talk(port, chat("nobody"))
    elif kind == 7:
        answer = await talk(port, {"model": "gpt-4o-mini", "messages": "none"})
    elif kind in {4, 5, 6}:
        answer = await talk(port, chat("gpt-4o-mini", "@n=30@", stream=True))
        assert answer.body.endswith(b"data: [DONE]\n\n")
    else:
        answer = await talk(port, chat("gpt-4o-mini"))
    assert answer.whole
    return str(answer.status)


async def many(port: int, count: int) -> Counter[str]:
    came: Counter[str] = Counter()
    numbers = iter(range(count))

    async def client() -> None:
        for number in numbers:
            came[await one(port, number)] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(client())
    return came


def quiet(gateway: Gateway) -> bool:
    counts = gateway.counts()
    busy = counts["upstream_connections"].get("busy", 0)
    return (counts["in_flight"], counts["client_connections"], busy) == (0, 0, 0)


def files(gateway: Gateway) -> int:
    """Open files and sockets, but for kept connections to providers."""
    until(lambda: quiet(gateway))
    # Once a second a copy of the spool's descriptor is open for a moment.
    return min(
        open_files(gateway.worker_pid()) - gateway.next_counts()["upstream_connections"].get("idle", 0)
        for _ in range(3)
    )


def threads(gateway: Gateway) -> int:
    return len(list(Path(f"/proc/{gateway.worker_pid()}/task").iterdir()))


def test_after_many_calls_of_every_kind_nothing_is_left(tmp_path: Path, provider: int) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        config = CONFIG.format(port=provider, closed=unused.getsockname()[1])
        with running(tmp_path, config=config) as gateway:
            asyncio.run(many(gateway.port, WARM_UP))
            warm_files, warm_kb, warm_threads = files(gateway), resident_kb(gateway.worker_pid()), threads(gateway)
            came = asyncio.run(many(gateway.port, CALLS - WARM_UP))
            rest = (CALLS - WARM_UP) // 10
            assert came == {"200": 7 * rest, "400": rest, "502": rest, "left": rest}
            after_kb = resident_kb(gateway.worker_pid())
            measured("rss_kb", [warm_kb, after_kb])
            after_files = files(gateway)
            measured("files", [warm_files, after_files])
            assert after_files <= warm_files
            assert threads(gateway) <= warm_threads + 1
            assert after_kb < warm_kb * 1.1
            recorded = sum(cell[1][0] for cell in gateway.counts()["cells"])
            assert recorded == CALLS
            assert len({record["id"] for record in gateway.spooled()}) == CALLS
            if SOAK:
                until(lambda: not gateway.counts()["upstream_connections"].get("idle"), 90)
                until(lambda: open_files(gateway.worker_pid()) <= warm_files)
