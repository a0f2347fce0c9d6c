"""Clients that call as fast as they are answered, and remember which answers they saw to the last byte."""

from __future__ import annotations

import http.client
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field

import orjson

from tests.support.gateway_run import CHAT, chat, until


@dataclass
class Load:
    """What the clients saw.

    Attributes:
        seen: Ids of exchanges whose last byte arrived.
        refused: Answers other than 200 that arrived whole.
        broken: Connections that failed or were cut.
    """

    port: int
    seen: list[str] = field(default_factory=list)
    refused: list[tuple[int, bytes]] = field(default_factory=list)
    broken: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        self._stop.set()

    def wait(self, more: int) -> None:
        """Until so many more answers were seen."""
        wanted = len(self.seen) + more
        until(lambda: len(self.seen) >= wanted)

    def client(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        turn = number
        while not self._stop.is_set():
            turn += 1
            stream = turn % 2 == 0
            document = chat("sim/lorem?tokens=40" if stream else "sim/echo", "words to repeat", stream=stream)
            try:
                connection.request("POST", CHAT, orjson.dumps(document), {"content-type": "application/json"})
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException):
                self.broken += 1
                connection.close()
                continue
            self._note(answer, body, stream=stream)
        connection.close()

    def _note(self, answer: http.client.HTTPResponse, body: bytes, *, stream: bool) -> None:
        whole = body.endswith(b"data: [DONE]\n\n") if stream else body.endswith(b"}")
        if answer.status == 200 and whole:
            self.seen.append(answer.headers["x-weighbridge-id"])
        else:
            self.refused.append((answer.status, body[-200:]))


@contextmanager
def calling(port: int, clients: int = 8):
    """Run clients until the block ends."""
    load = Load(port)
    threads = [threading.Thread(target=load.client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.stop()
        for thread in threads:
            thread.join()
