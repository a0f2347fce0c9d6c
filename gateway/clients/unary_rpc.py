"""Calls of gRPC that are one message each way, over h2: a tenth of the memory that gRPC's own library takes.

One connection, one call at a time. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import zlib
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from gateway.clients.tls import client_context

_CODES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
# What an answer of HTTP that is none of gRPC means.
_BY_STATUS = {
    b"400": "INTERNAL", b"401": "UNAUTHENTICATED", b"403": "PERMISSION_DENIED", b"404": "UNIMPLEMENTED",
    b"429": "UNAVAILABLE", b"502": "UNAVAILABLE", b"503": "UNAVAILABLE", b"504": "UNAVAILABLE",
}  # fmt: skip
_READ_BYTES = 65_536
_MOST_ANSWER_BYTES = 32_768
_PREFIX_BYTES = 5
_PORTS = {"http": 80, "https": 443}
# Answers are small, and a collector is not to fill the memory with headers.
_MOST_HEADER_BYTES = 16_384
_LEVEL = 1


class RpcFailed(Exception):
    """A call has no answer.

    Args:
        code: The name of gRPC's status. What the server says besides is not kept: it may quote the message.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _Lost(Exception):
    """The connection ended before anything of an answer came."""


class UnaryRpc:
    """A client of one server. Belongs to the loop that it is first used on.

    Args:
        endpoint: ``http://host:port``, or ``https://`` for TLS.
        headers: Of each call.
        timeout_s: For each call, connecting and waiting for its turn included.
        compress: Messages are compressed.
    """

    def __init__(self, endpoint: str, headers: Mapping[str, str], timeout_s: float, *, compress: bool) -> None:
        parts = urlsplit(endpoint)
        self._host, self._port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 80)
        self._authority, self._scheme = parts.netloc, parts.scheme
        self._headers = [(name.lower(), value) for name, value in headers.items()]
        self._timeout_s = timeout_s
        self._compress = compress
        self._turn = asyncio.Lock()
        self._line: _Line | None = None

    async def call(self, path: str, message: bytes) -> bytes:
        """Send a message and give the answer.

        Raises:
            RpcFailed: There is none.
        """
        try:
            async with asyncio.timeout(self._timeout_s), self._turn:
                return await self._called(path, await self._framed(message))
        except TimeoutError:
            raise RpcFailed("DEADLINE_EXCEEDED") from None

    async def close(self) -> None:
        """Let go of the connection, with a word to the server where no call is under way."""
        line, self._line = self._line, None
        if line is not None:
            line.close(farewell=not self._turn.locked())
            await line.closed()

    async def _called(self, path: str, framed: bytes) -> bytes:
        kept = self._line is not None
        try:
            try:
                return await self._once(path, framed)
            except _Lost:
                if not kept:
                    raise
                # It has been idle, and the server did not wait.
                return await self._once(path, framed)
        except (_Lost, OSError):
            raise RpcFailed("UNAVAILABLE") from None

    async def _once(self, path: str, framed: bytes) -> bytes:
        done = False
        try:
            line = self._line = self._line or await self._open()
            answer = await line.ask(self._head(path), framed)
            done = not line.ending
        finally:
            # Half a call is left in it, or the server wants no more there.
            if not done:
                self._drop()
        return answer.message()

    async def _open(self) -> _Line:
        context = None
        if self._scheme == "https":
            context = client_context()
            context.set_alpn_protocols(["h2"])
        return _Line(*await asyncio.open_connection(self._host, self._port, ssl=context))

    def _head(self, path: str) -> list[tuple[str, str]]:
        return [
            *((":method", "POST"), (":scheme", self._scheme), (":authority", self._authority), (":path", path)),
            *(("te", "trailers"), ("content-type", "application/grpc"), ("grpc-accept-encoding", "identity,gzip")),
            ("grpc-timeout", f"{max(1, round(self._timeout_s * 1000))}m"),
            *((("grpc-encoding", "gzip"),) if self._compress else ()),
            *self._headers,
        ]

    async def _framed(self, message: bytes) -> bytes:
        if self._compress:
            squeeze = partial(gzip.compress, message, _LEVEL)
            message = await asyncio.get_running_loop().run_in_executor(None, squeeze)
        return bytes((self._compress,)) + len(message).to_bytes(4, "big") + message

    def _drop(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close(farewell=False)


class _Answer:
    """What has come of one."""

    def __init__(self) -> None:
        self.status = b""
        self.code: bytes | None = None
        self.encoding = b""
        self.body = bytearray()

    def take_headers(self, headers: list[tuple[bytes, bytes]]) -> None:
        for name, value in headers:
            if name == b":status":
                self.status = value
            elif name == b"grpc-status":
                self.code = value
            elif name == b"grpc-encoding":
                self.encoding = value

    def message(self) -> bytes:
        """Give the message.

        Raises:
            RpcFailed: There is none.
        """
        if self.code is None:
            raise RpcFailed("UNKNOWN" if self.status == b"200" else _BY_STATUS.get(self.status, "UNKNOWN"))
        number = int(self.code) if self.code.isdigit() and len(self.code) < 3 else 2
        if number:
            raise RpcFailed(_CODES[number] if number < len(_CODES) else "UNKNOWN")
        packed, length = self.body[:1] == bytearray((1,)), int.from_bytes(self.body[1:_PREFIX_BYTES], "big")
        data = bytes(self.body[_PREFIX_BYTES:])
        if len(self.body) < _PREFIX_BYTES or len(data) != length:
            raise RpcFailed("INTERNAL")
        return self._unpacked(data) if packed else data

    def _unpacked(self, data: bytes) -> bytes:
        if self.encoding != b"gzip":
            raise RpcFailed("INTERNAL")
        reader = zlib.decompressobj(31)
        try:
            plain = reader.decompress(data, _MOST_ANSWER_BYTES)
        except zlib.error:
            raise RpcFailed("INTERNAL") from None
        if not reader.eof:
            raise RpcFailed("RESOURCE_EXHAUSTED")
        return plain


class _Line:
    """A connection.

    Attributes:
        ending: The server wants no more calls here.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._events: Any = import_module("h2.events")
        self._faults: type[Exception] = import_module("h2.exceptions").H2Error
        config = import_module("h2.config").H2Configuration(client_side=True, header_encoding=None)
        self._h2: Any = import_module("h2.connection").H2Connection(config)
        settings = import_module("h2.settings").SettingCodes
        self._h2.local_settings[settings.ENABLE_PUSH] = 0
        self._h2.local_settings[settings.MAX_HEADER_LIST_SIZE] = _MOST_HEADER_BYTES
        self._h2.initiate_connection()
        self.ending = False

    async def ask(self, head: list[tuple[str, str]], framed: bytes) -> _Answer:
        """Make a call.

        Raises:
            _Lost: The connection ended.
            RpcFailed: The server ended the call, or does not speak the protocol.
        """
        answer = _Answer()
        try:
            stream = self._h2.get_next_available_stream_id()
            self._h2.send_headers(stream, head)
            over = await self._send(stream, framed, answer)
            while not over:
                over = await self._read(stream, answer)
        except self._faults:
            raise RpcFailed("INTERNAL") from None
        return answer

    def close(self, *, farewell: bool) -> None:
        """End the connection at once: a server that takes nothing is not waited for, nor what it has not taken."""
        if farewell:
            with contextlib.suppress(OSError, self._faults):
                self._h2.close_connection()
                self._writer.write(self._h2.data_to_send())
        self._writer.transport.abort()

    async def closed(self) -> None:
        """Wait until it is."""
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _send(self, stream: int, framed: bytes, answer: _Answer) -> bool:
        """Send the message as the server has room for it; whether it has answered already."""
        at = 0
        while at < len(framed):
            room = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)
            if room <= 0:
                if await self._read(stream, answer):
                    return True
                continue
            self._h2.send_data(stream, framed[at : at + room], end_stream=at + room >= len(framed))
            at += room
            await self._flush()
        return False

    async def _flush(self) -> None:
        self._writer.write(self._h2.data_to_send())
        await self._writer.drain()

    async def _read(self, stream: int, answer: _Answer) -> bool:
        """Take what comes; whether that was all of the answer."""
        await self._flush()
        data = await self._reader.read(_READ_BYTES)
        if not data:
            raise _Lost
        over = False
        for event in self._h2.receive_data(data):
            over = self._taken(event, stream, answer) or over
        await self._flush()
        return over

    def _taken(self, event: Any, stream: int, answer: _Answer) -> bool:
        events = self._events
        if isinstance(event, events.ConnectionTerminated):
            self.ending = True
            if event.last_stream_id is not None and event.last_stream_id < stream:
                raise _Lost
            return False
        if getattr(event, "stream_id", None) != stream:
            return False
        if isinstance(event, events.ResponseReceived | events.TrailersReceived):
            answer.take_headers(event.headers)
        elif isinstance(event, events.DataReceived):
            answer.body += event.data
            self._h2.acknowledge_received_data(event.flow_controlled_length, stream)
            if len(answer.body) > _MOST_ANSWER_BYTES:
                raise RpcFailed("RESOURCE_EXHAUSTED")
        elif isinstance(event, events.StreamReset):
            raise RpcFailed("UNAVAILABLE" if event.error_code in _AGAIN else "INTERNAL")
        return isinstance(event, events.StreamEnded)


# Errors of HTTP/2 after which a call may be made again: NO_ERROR, REFUSED_STREAM, ENHANCE_YOUR_CALM.
_AGAIN = frozenset({0, 7, 11})
