"""Raw HTTP over a socket: bytes out, answers in, and whether the connection is still there."""

from __future__ import annotations

import socket
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass
class RawAnswer:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """The error object, which must be of OpenAI's shape and nothing else."""
        document = orjson.loads(self.body)
        assert list(document) == ["error"], document
        assert set(document["error"]) == {"message", "type", "param", "code"}, document
        assert document["error"]["message"]
        assert self.headers["content-type"].startswith("application/json")
        return document["error"]

    @property
    def id(self) -> str:
        """The exchange's."""
        return self.headers["x-weighbridge-id"]


class RawConnection:
    """A connection to a data plane."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._read = b""

    def send(self, data: bytes) -> None:
        """Send bytes as they are; a peer that stopped listening is no failure."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def request(self, body: bytes, path: str = "/v1/chat/completions", head: bytes = b"", method: str = "POST") -> None:
        """Send a request with a body of known length."""
        first = f"{method} {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n".encode("latin-1")
        self.send(first + head + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def answer(self) -> RawAnswer:
        """Read one answer with a body of known length."""
        while b"\r\n\r\n" not in self._read:
            self._more()
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers["content-length"])
        while len(self._read) < length:
            self._more()
        body, self._read = self._read[:length], self._read[length:]
        return RawAnswer(int(first.split(" ")[1]), headers, body)

    def _more(self) -> None:
        data = self.socket.recv(65_536)
        assert data, f"the connection was closed after {self._read!r}"
        self._read += data

    def closed(self) -> bool:
        """Wait for the end of the connection; bytes instead of it are a failure of the test."""
        try:
            data = self.socket.recv(65_536)
        except ConnectionResetError:
            return True
        assert not data, data
        return True


@contextmanager
def raw_connection(port: int):
    """Open a connection, and close it after."""
    connection = RawConnection(port)
    try:
        yield connection
    finally:
        connection.socket.close()
