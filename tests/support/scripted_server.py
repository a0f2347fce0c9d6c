"""The scripted provider on a thread of its own, shared by the tests of a module: each sets the script it needs."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.support.provider import Asked, ScriptedProvider, Step, scripted

Script = list[Step] | Callable[[Asked], list[Step]]


class ScriptedServer:
    """What the thread that serves and the test that asks have in common.

    Attributes:
        script: What to answer with, until it is replaced.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.script: Script = []
        self.provider: ScriptedProvider
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop

    @property
    def url(self) -> str:
        """Base URL."""
        return self.provider.url

    @property
    def asked(self) -> list[Asked]:
        """Every request that came, oldest first."""
        return self.provider.asked

    @property
    def last(self) -> Asked:
        """The latest request."""
        return self.provider.asked[-1]

    @property
    def played(self) -> int:
        """Scripts that are over, whole or not."""
        return self.provider.played

    @property
    def open(self) -> int:
        """Connections open now."""
        return self.provider.open

    def _play(self, asked: Asked) -> list[Step]:
        return self.script(asked) if callable(self.script) else self.script

    async def serve(self, stop: asyncio.Event) -> None:
        """Run until told to stop."""
        self._loop = asyncio.get_running_loop()
        async with scripted(self._play, tls=self._tls) as self.provider:
            self._ready.set()
            await stop.wait()

    def signal(self, event: asyncio.Event) -> None:
        """Let a script go on that waits for this event."""
        self._loop.call_soon_threadsafe(event.set)

    def wait(self) -> None:
        """Wait until it listens."""
        assert self._ready.wait(60)


@contextmanager
def scripted_server(tls: ssl.SSLContext | None = None) -> Iterator[ScriptedServer]:
    """Run a scripted provider beside the test."""
    server, stop = ScriptedServer(tls), asyncio.Event()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(server.serve(stop)))
    thread.start()
    try:
        server.wait()
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
