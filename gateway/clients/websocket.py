"""WebSockets to providers: the handshake, then bytes both ways, as they come.

Frames are not this file's business: who reads them passes them on as they are. RFC 6455 §4.1.
"""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
from collections.abc import Callable
from contextlib import suppress

import httptools
import msgspec

from gateway.clients.http_connection import MAX_HEADER_BYTES
from gateway.clients.origin import Origin
from gateway.core.errors import ConnectFailed, ConnectTimeout, FirstTokenTimeout, InvalidAnswer
from gateway.core.exchange import Headers, Timeouts
from gateway.wire.websocket import accepted

READ_BYTES = 65_536
MAX_REFUSAL_BYTES = 1_048_576
_SWITCHED = 101


class StreamLine:
    """An open connection; a :class:`gateway.core.ports.Line`.

    Args:
        first: Bytes that came with the answer to the handshake.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bytes = b"") -> None:
        self._reader = reader
        self._writer = writer
        self._first = first

    async def read(self) -> bytes:
        """Give the next bytes; none at the end."""
        first, self._first = self._first, b""
        if first:
            return first
        try:
            return await self._reader.read(READ_BYTES)
        except (OSError, ssl.SSLError):
            return b""

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if not self._writer.is_closing():
            self._writer.write(data)

    async def drained(self) -> None:
        """Wait while the other end reads too slowly."""
        with suppress(OSError, ssl.SSLError):
            await self._writer.drain()

    def close(self) -> None:
        """Send what is left and end the connection."""
        self._writer.close()


class Answered(msgspec.Struct, frozen=True):
    """What a provider said to a handshake.

    Attributes:
        status: 101 when the connection is open.
        headers: Lower-case names.
        body: Of a refusal.
        line: The connection, where it is open.
    """

    status: int
    headers: Headers
    body: bytes = b""
    line: StreamLine | None = None


async def open_line(origin: Origin, head: bytes, timeouts: Timeouts, context: Callable[[], ssl.SSLContext]) -> Answered:
    """Connect to a provider and ask for a WebSocket.

    Args:
        origin: Where to.
        head: Request line and headers, without those of the handshake and without the blank line.
        timeouts: For the connection, and for the answer.
        context: Gives what TLS needs, where the origin has it.

    Raises:
        ConnectFailed: There is no connection, or it was cut before the answer was whole.
        ConnectTimeout: It was not made in time.
        FirstTokenTimeout: The answer did not come in time.
        InvalidAnswer: The answer is no HTTP, too large, or switches to something else.
    """
    try:
        async with asyncio.timeout(timeouts.connect_s):
            reader, writer = await asyncio.open_connection(
                origin.host, origin.port, ssl=context() if origin.tls else None, limit=READ_BYTES
            )
    except TimeoutError:
        raise ConnectTimeout("The provider did not take the connection in time.") from None
    except (OSError, ssl.CertificateError) as error:
        raise ConnectFailed(f"Could not connect to the provider ({type(error).__name__}).") from None
    kept = False
    try:
        async with asyncio.timeout(timeouts.first_token_s):
            answered = await _shake_hands(reader, writer, head)
        kept = answered.line is not None
    except TimeoutError:
        raise FirstTokenTimeout("The provider did not answer the handshake in time.") from None
    except (OSError, ssl.SSLError) as error:
        raise ConnectFailed(f"The provider cut the connection ({type(error).__name__}).") from None
    finally:
        if not kept:
            writer.transport.abort()
    return answered


async def _shake_hands(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> Answered:
    key = base64.b64encode(os.urandom(16))
    writer.write(
        b"%bconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: %b\r\n\r\n"
        % (head, key)
    )
    await writer.drain()
    answer = _Answer()
    parser = httptools.HttpResponseParser(answer)
    size = 0
    while not answer.whole:
        data = await reader.read(READ_BYTES)
        size += len(data)
        if not data and answer.headed:
            # A body without a length ends with its connection.
            break
        if not data or size > MAX_HEADER_BYTES + MAX_REFUSAL_BYTES:
            raise InvalidAnswer("The provider's answer to the handshake is not whole.")
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return _switched(answer, key, StreamLine(reader, writer, data[upgrade.args[0] :]))
        except httptools.HttpParserError:
            raise InvalidAnswer("The provider's answer to the handshake is no HTTP.") from None
        answer.status = parser.get_status_code() if answer.headed else 0
    if answer.status < 200:
        raise InvalidAnswer("The provider's answer to the handshake is not one to ours.")
    return Answered(answer.status, answer.headers, bytes(answer.body))


def _switched(answer: _Answer, key: bytes, line: StreamLine) -> Answered:
    headers = answer.headers
    if headers.get(b"sec-websocket-accept") != accepted(key) or b"sec-websocket-extensions" in headers:
        line.close()
        raise InvalidAnswer("The provider's answer to the handshake is not one to ours.")
    return Answered(_SWITCHED, headers, line=line)


class _Answer:
    """Takes the answer to a handshake; names of methods are httptools'."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: Headers = {}
        self.body = bytearray()
        self.headed = self.whole = False

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        self.headers[name] = self.headers[name] + b", " + value if name in self.headers else value

    def on_headers_complete(self) -> None:
        self.headed = True

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.whole = True
