"""Reads how busy model servers say they are, every second or so, beside the calls: one task a server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from gateway.clients.brief_call import fetch
from gateway.clients.clock import Clock
from gateway.clients.http import HttpClient
from gateway.core.errors import GatewayError
from gateway.core.exchange import Timeouts
from gateway.core.server_load import LoadReading, LoadSource
from gateway.wire.server_metrics import read_load

log = logging.getLogger("weighbridge.load")

MAX_METRICS_BYTES = 4 << 20
# A server that answers later than this says what was true some time ago.
TIMEOUTS = Timeouts(connect_s=2.0, first_token_s=2.0, idle_s=2.0, total_s=3.0)
MAX_BACK_OFF_S = 60.0
_HEADERS = {"accept": "text/plain", "user-agent": "weighbridge"}
# Provider, and whether it could be read.
ReadKey = tuple[str, str]
OK, FAILED = "ok", "failed"


class LoadWatch:
    """Owns the tasks that read.

    Args:
        http: Fetches.
        clock: Waits between two readings.
        told: Is given what a provider's server said.

    Attributes:
        reads: How often each was read, by what came of it.
    """

    def __init__(self, http: HttpClient, clock: Clock, told: Callable[[str, LoadReading], None]) -> None:
        self._http = http
        self._clock = clock
        self._told = told
        self._tasks: dict[str, tuple[LoadSource, asyncio.Task[None]]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self.reads: dict[ReadKey, int] = {}

    def watch(self, sources: Mapping[str, LoadSource]) -> None:
        """Read these from now on and no others, by provider; who is read the same way already is read on."""
        for provider, (source, task) in list(self._tasks.items()):
            if sources.get(provider) != source:
                del self._tasks[provider]
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)
                task.cancel()
        loop = asyncio.get_running_loop()
        for provider, source in sources.items():
            if provider not in self._tasks:
                self._tasks[provider] = source, loop.create_task(self._read_on(provider, source))

    async def close(self) -> None:
        """Read no more."""
        self.watch({})
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _read_on(self, provider: str, source: LoadSource) -> None:
        failed = 0
        while True:
            try:
                text = await fetch(self._http, source.url, _HEADERS, MAX_METRICS_BYTES, TIMEOUTS)
                reading = read_load(source.kind, text)
            except GatewayError as error:
                failed += 1
                self._count(provider, FAILED)
                if failed == 1:
                    log.warning("provider '%s': its load cannot be read: %s", provider, error.public_message)
            else:
                if failed:
                    log.info("provider '%s': its load can be read again", provider)
                failed = 0
                self._count(provider, OK)
                self._told(provider, reading)
            # What cannot be read is not asked for every second: it has other things to do than to refuse.
            await self._clock.sleep(min(max(MAX_BACK_OFF_S, source.every_s), source.every_s * 2 ** min(failed, 10)))

    def _count(self, provider: str, outcome: str) -> None:
        key = provider, outcome
        self.reads[key] = self.reads.get(key, 0) + 1
