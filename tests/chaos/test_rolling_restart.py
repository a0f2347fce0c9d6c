"""Replicas that are restarted one after the other under load, behind somebody who looks at ``/readyz``."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter, defaultdict
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest

from tests.support.figures import SOAK, measured
from tests.support.gateway_run import CHAT, Gateway, ask, chat, running, until
from tests.support.raw_client import head

pytestmark = [pytest.mark.integration, pytest.mark.slow]

STREAMS, RATE, RESTARTS = (64, 200.0, 4) if SOAK else (8, 20.0, 1)
WORDS = 40
STREAMED = f"sim/lorem?tokens={WORDS}&delay_ms=40"
# Who spreads the calls must have noticed by then, however busy the machine is.
CONFIG = f"""
    version: 1
    drain_delay: {2 if SOAK else 3}s
    capture: {{bodies: none}}
"""
BUFFER_BYTES = 1 << 20


@dataclass
class Kept:
    """A connection that serves one call after the other, until an answer says that it ends."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@dataclass
class Fleet:
    """Spreads calls over the replicas that are in rotation, on connections that are kept.

    Attributes:
        ports: In rotation.
        calls, streams: How many went well, at which replica.
        failed: What went wrong.
    """

    ports: list[int] = field(default_factory=list[int])
    calls: Counter[int] = field(default_factory=Counter[int])
    streams: Counter[int] = field(default_factory=Counter[int])
    failed: list[str] = field(default_factory=list[str])
    _idle: defaultdict[int, list[Kept]] = field(default_factory=lambda: defaultdict(list))
    _turn: int = 0
    _stopped: bool = False

    async def run(self) -> None:
        """Call at a steady rate, with so many streams at any time, until stopped; ends when all has ended."""
        async with asyncio.TaskGroup() as group:
            for _ in range(STREAMS):
                group.create_task(self._stream_on())
            loop = asyncio.get_running_loop()
            due_s = loop.time()
            while not self._stopped:
                group.create_task(self._one(chat("sim/echo", "hello"), self.calls, b"hello"))
                due_s += 1 / RATE
                await asyncio.sleep(max(0.0, due_s - loop.time()))
        for kept in (each for idle in self._idle.values() for each in idle):
            kept.writer.close()

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopped = True

    async def _stream_on(self) -> None:
        while not self._stopped:
            await self._one(chat(STREAMED, "go", stream=True), self.streams, b"data: [DONE]\n\n")

    async def _one(self, document: object, counts: Counter[int], expected: bytes) -> None:
        self._turn += 1
        port = self.ports[self._turn % len(self.ports)]
        try:
            async with asyncio.timeout(60):
                status, body = await self._exchange(port, orjson.dumps(document))
        except (OSError, EOFError, TimeoutError) as error:
            self.failed.append(f"{port}: {error!r}")
            return
        if status == 200 and expected in body:
            counts[port] += 1
        else:
            self.failed.append(f"{port}: {status} {body[-100:]!r}")

    async def _exchange(self, port: int, body: bytes) -> tuple[int, bytes]:
        """Ask on a connection that is kept, or on a new one. Nothing is asked again."""
        idle = self._idle[port]
        # One whose end has been read is none.
        while idle and idle[-1].reader.at_eof():
            idle.pop().writer.close()
        kept = idle.pop() if idle else Kept(*await asyncio.open_connection("127.0.0.1", port, limit=BUFFER_BYTES))
        lines = f"POST {CHAT} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n"
        kept.writer.write(lines.encode() + b"content-length: %d\r\n\r\n%b" % (len(body), body))
        status, headers = await head(kept.reader)
        answer = await _body(kept.reader, headers)
        if headers.get("connection") == "close":
            kept.writer.close()
        else:
            idle.append(kept)
        return status, answer


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers["content-length"]))
    pieces: list[bytes] = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        pieces.append((await reader.readexactly(size + 2))[:-2])
    await reader.readexactly(2)
    return b"".join(pieces)


def away(port: int) -> bool:
    """Whether a replica says that it is about to go."""
    with suppress(OSError):
        return ask(port, "/readyz").status == 503
    return True


def restart(fleet: Fleet, old: Gateway, new: Gateway) -> None:
    """Take a replica out and another in, as whoever looks at ``/readyz`` does."""
    fleet.ports.append(new.port)
    old.process.send_signal(signal.SIGTERM)
    until(lambda: away(old.port))
    fleet.ports.remove(old.port)
    assert old.process.wait(60) == 0


def test_no_call_fails_and_no_stream_is_cut(tmp_path: Path) -> None:
    fleet = Fleet()

    async def main() -> None:
        with ExitStack() as stack:
            replicas = [
                stack.enter_context(running(tmp_path / str(number), config=CONFIG)) for number in range(2 + RESTARTS)
            ]
            serving, fresh = replicas[:2], replicas[2:]
            fleet.ports = [each.port for each in serving]
            load = asyncio.ensure_future(fleet.run())
            while len(fleet.streams) < 2:
                await asyncio.sleep(0.05)
            for new in fresh:
                await asyncio.to_thread(restart, fleet, serving.pop(0), new)
                serving.append(new)
            fleet.stop()
            await load

    asyncio.run(main())
    measured("calls", fleet.calls.total())
    measured("streams", fleet.streams.total())
    measured("failed", fleet.failed)
    assert fleet.failed == []
    # Whoever came in later was given a part of it.
    assert len(fleet.calls) == 2 + RESTARTS
