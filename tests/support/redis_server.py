"""A real Redis server of one's own, that can be stopped, held still and started again."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.gateway_run import until

needs_redis = pytest.mark.skipif(not shutil.which("redis-server"), reason="no redis-server")


def free_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class RedisServer:
    """One server on loopback that keeps nothing on disk.

    Args:
        options: Further ones of the command line.
    """

    def __init__(self, *options: str) -> None:
        self.port = free_port()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        plain = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", "/tmp"]
        self._process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), *plain, *self._options], stdout=subprocess.DEVNULL
        )
        until(self._answers)

    def hold(self) -> None:
        """It takes connections and answers nothing."""
        self._told(signal.SIGSTOP)

    def go_on(self) -> None:
        """It answers again."""
        self._told(signal.SIGCONT)

    def stop(self) -> None:
        """Nobody is there any more."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None

    def say(self, *words: str) -> bytes:
        """Send one command and return its reply as it came, up to 64 KiB."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as line:
            line.sendall(b"*%d\r\n" % len(words))
            for word in words:
                line.sendall(b"$%d\r\n%b\r\n" % (len(word.encode()), word.encode()))
            return line.recv(65_536)

    def _answers(self) -> bool:
        try:
            return bool(self.say("PING"))
        except OSError:
            return False

    def _told(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)


@contextmanager
def redis_server(*options: str) -> Iterator[RedisServer]:
    """Have a server for a while."""
    server = RedisServer(*options)
    server.start()
    try:
        yield server
    finally:
        server.stop()
