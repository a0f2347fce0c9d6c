"""The first words of a TLS client, read and left as they are: whom it wants. RFC 8446 §4.1.2, RFC 6066 §3."""

from __future__ import annotations

import msgspec

from gateway.core.errors import MalformedRequest

HANDSHAKE = 0x16
# What clients say first is a few hundred bytes, some thousand with keys for the time of quantum computers.
MAX_HELLO_BYTES = 65_536
_CLIENT_HELLO = 1
_SERVER_NAME = 0
_PROTOCOLS = 16
_HOST_NAME = 0
_MAX_NAME_CHARS = 253
_SIGNS = str.maketrans("", "", "-._")


class ClientHello(msgspec.Struct, frozen=True):
    """What it says.

    Attributes:
        server_name: The host, in lower case; empty where the client names none.
        protocols: What it would speak (ALPN), the dearest first: ``h2``, ``http/1.1``.
    """

    server_name: str = ""
    protocols: tuple[bytes, ...] = ()


def read_client_hello(data: bytes) -> ClientHello | None:
    """Read the first bytes of a connection.

    Returns:
        ``None`` while more must come.

    Raises:
        MalformedRequest: They are none of TLS, or longer than :data:`MAX_HELLO_BYTES`.
    """
    try:
        message = _message(data)
        return None if message is None else _hello(_Bytes(message))
    except (IndexError, UnicodeDecodeError):
        raise _malformed() from None


def _malformed() -> MalformedRequest:
    return MalformedRequest("The connection does not begin as one of TLS does.")


def _message(data: bytes) -> bytes | None:
    """Put the first handshake message together, which may come in several records."""
    message, at = b"", 0
    while (size := _size(message)) is None or len(message) < size:
        head = data[at : at + 5]
        # The version's first number is 3 since 1996; the rest of it is judged by who terminates the connection.
        if (head and head[0] != HANDSHAKE) or (len(head) > 1 and head[1] != 3):
            raise _malformed()
        if len(head) < 5:
            return None
        length = int.from_bytes(head[3:], "big")
        if not length or length > 1 << 14:
            raise _malformed()
        at += 5 + length
        message += data[at - length : at]
        if len(data) < at:
            # Whatever has come of the record: it may be wrong already.
            _size(message)
            return None
    return message[4:size]


def _size(message: bytes) -> int | None:
    """How long the message is, its head included; ``None`` where that is not known yet."""
    if message and message[0] != _CLIENT_HELLO:
        raise _malformed()
    size = int.from_bytes(message[1:4], "big") + 4
    if len(message) < 4:
        return None
    if size > MAX_HELLO_BYTES:
        raise _malformed()
    return size


class _Bytes:
    """Takes bytes from the front; too few are an ``IndexError``."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        if self._at + size > len(self._data):
            raise IndexError
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> _Bytes:
        """What a length in so many bytes stands before."""
        return _Bytes(self.take(self.number(size)))

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at)


def _hello(body: _Bytes) -> ClientHello:
    body.take(2 + 32)
    # The session, the ciphers, the ways to compress.
    for size in (1, 2, 1):
        body.vector(size)
    name, protocols = "", ()
    if body:
        extensions = body.vector(2)
        while extensions:
            kind, content = extensions.number(2), extensions.vector(2)
            if kind == _SERVER_NAME:
                name = _server_name(content)
            elif kind == _PROTOCOLS:
                protocols = _protocols(content)
    return ClientHello(name, protocols)


def _server_name(content: _Bytes) -> str:
    names = content.vector(2)
    while names:
        kind, name = names.number(1), names.vector(2).rest()
        if kind == _HOST_NAME:
            host = name.decode("ascii").lower().rstrip(".")
            if (
                not host
                or len(host) > _MAX_NAME_CHARS
                or not host.replace("-", "").replace(".", "").replace("_", "").isalnum()
            ):
                raise _malformed()
            return host
    return ""


def _protocols(content: _Bytes) -> tuple[bytes, ...]:
    named, found = content.vector(2), list[bytes]()
    while named:
        found.append(named.vector(1).rest())
    return tuple(found)
