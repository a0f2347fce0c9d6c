"""Calls as fast as one thread can make them, and what came of each."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import orjson

from tests.support.gateway_run import CHAT, chat, until
from tests.support.raw_client import head


@dataclass(frozen=True)
class Seen:
    """An answer: when its last byte was seen (seconds since 1970), and what it said of its tokens."""

    at_s: float
    input_tokens: int
    output_tokens: int


@dataclass
class SwiftLoad:
    """What the clients saw, by the exchange's id.

    Attributes:
        failed: Calls that did not end in an answer with status 200.
        rate: Answers a second, from the first to the last.
    """

    port: int
    clients: int = 32
    seen: dict[str, Seen] = field(default_factory=dict)
    failed: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def rate(self) -> float:
        times = [each.at_s for each in self.seen.values()]
        return len(times) / (max(times) - min(times))

    def wait(self, more: int, timeout_s: float = 120.0) -> None:
        """Until so many more answers were seen."""
        wanted = len(self.seen) + more
        until(lambda: len(self.seen) >= wanted, timeout_s)

    def run(self) -> None:
        """Call until told to stop."""
        asyncio.run(self._all())

    def stop(self) -> None:
        self._over.set()

    async def _all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(self.clients):
                group.create_task(self._client(number))

    async def _client(self, number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        lines = "POST {} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n"
        turn = number
        while not self._over.is_set():
            turn += 1
            body = orjson.dumps(chat("sim/echo", "word " * (1 + turn % 7)))
            writer.write(lines.format(CHAT, len(body)).encode() + body)
            status, headers = await head(reader)
            answer = orjson.loads(await reader.readexactly(int(headers["content-length"])))
            if status != 200:
                self.failed += 1
                continue
            usage = answer["usage"]
            self.seen[headers["x-weighbridge-id"]] = Seen(
                time.time(), usage["prompt_tokens"], usage["completion_tokens"]
            )
        writer.close()


@contextmanager
def calling_swiftly(port: int) -> Iterator[SwiftLoad]:
    """Run clients until the block ends."""
    load = SwiftLoad(port)
    thread = threading.Thread(target=load.run)
    thread.start()
    try:
        yield load
    finally:
        load.stop()
        thread.join()
