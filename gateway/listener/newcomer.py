"""A connection whose purpose is not known yet: its first bytes say it, and the kernel where it was going."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Protocol, cast

import msgspec

from gateway.core.errors import GatewayError, MalformedRequest
from gateway.listener import framing
from gateway.wire.client_hello import HANDSHAKE

# What may wait unread while it is being found out where the connection goes.
MAX_WAITING_BYTES = 262_144
_ORIGINAL_DST = 80
_METHOD = re.compile(rb"[A-Z]{1,20}")
_AUTHORITY = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::([0-9]{1,5}))?", re.IGNORECASE)
_HOST = re.compile(rb"\r\nhost:[ \t]*(\[[0-9a-f:.]+\]|[^:\s]+)", re.IGNORECASE)
_ABSOLUTE = re.compile(r"http://([^/?#]*)(/[^#]*)?", re.IGNORECASE)


class Meant(msgspec.Struct, frozen=True):
    """Whom a client asks for, by the first line of its request.

    Attributes:
        tunnel: It wants a connection, not an answer.
        head: The request as the one who is meant would have been sent it, with its connection ending after it.
    """

    host: str
    port: int
    tunnel: bool
    head: bytes = b""


class Gate(Protocol):
    """Decides; :class:`gateway.listener.gatehouse.Gatehouse`."""

    def came(self, newcomer: Newcomer) -> None:
        """A connection was made."""
        ...

    def judge(self, newcomer: Newcomer) -> None:
        """More of its first bytes are there."""
        ...


class Held(asyncio.Protocol):
    """Keeps what comes on a connection until somebody takes it.

    Attributes:
        read: All bytes so far.
        over: Called when the client is gone.
    """

    def __init__(self) -> None:
        self.read = b""
        self.gone = False
        self.transport: asyncio.Transport
        self.over: Callable[[], object] = lambda: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Keep it, up to a bound."""
        self.read += data
        if len(self.read) > MAX_WAITING_BYTES and not self.transport.is_closing():
            self.transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self.gone = True
        self.over()


class Newcomer(Held):
    """A connection of which nothing is known.

    Attributes:
        settled: It is known where it goes; what comes until it is there waits.
        sent_to: Where it was going when it was sent here; ``None`` where it was coming here.
    """

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self._gate = gate
        self.settled = False
        self.sent_to: tuple[str, int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Find out where it was going."""
        super().connection_made(transport)
        self.sent_to = sent_to(transport)
        self._gate.came(self)

    def data_received(self, data: bytes) -> None:
        """Keep it, and let the gate look again."""
        super().data_received(data)
        if not self.settled:
            self._gate.judge(self)

    @property
    def peer(self) -> tuple[str, int]:
        """The client's address."""
        host, port, *_ = self.transport.get_extra_info("peername") or ("", 0)
        return str(host), int(port)


def sent_to(transport: asyncio.BaseTransport) -> tuple[str, int] | None:
    """Where a connection was going when a rule of the kernel sent it here (``REDIRECT``, ``SO_ORIGINAL_DST``)."""
    sock, here = transport.get_extra_info("socket"), transport.get_extra_info("sockname")
    if sock is None or not isinstance(here, tuple):
        return None
    try:
        if ":" in here[0]:
            port, _, raw = struct.unpack("!2xHI16s4x", sock.getsockopt(socket.IPPROTO_IPV6, _ORIGINAL_DST, 28))
            found = str(IPv6Address(raw)), port
        else:
            port, raw = struct.unpack("!2xH4s8x", sock.getsockopt(socket.IPPROTO_IP, _ORIGINAL_DST, 16))
            found = socket.inet_ntoa(raw), port
    except (OSError, struct.error):
        # No rule has touched it, or this is no Linux.
        return None
    return None if found == (here[0], here[1]) else found


def chose_streams(transport: asyncio.Transport) -> bool:
    """Whether a client of TLS has chosen HTTP/2."""
    tls = transport.get_extra_info("ssl_object")
    return tls is not None and tls.selected_alpn_protocol() == "h2"


def hand_on(transport: asyncio.Transport, held: Held, protocol: asyncio.Protocol) -> None:
    """Give a connection to who is to have it, with what has come on it so far."""
    protocol.connection_made(transport)
    transport.set_protocol(protocol)
    read, held.read = held.read, b""
    if len(read) > MAX_WAITING_BYTES:
        transport.resume_reading()
    if read:
        protocol.data_received(read)


def speaks_tls(data: bytes) -> bool:
    """Whether a connection begins as one of TLS."""
    return data[:1] == bytes([HANDSHAKE])


def wants_elsewhere(data: bytes) -> bool | None:
    """Whether a request is for a proxy, by its first bytes; ``None`` while they are too few."""
    method, blank, rest = data.partition(b" ")
    if not blank:
        return None if _METHOD.fullmatch(data) else False
    if method == b"CONNECT":
        return True
    if not rest:
        return None
    return _METHOD.fullmatch(method) is not None and rest[:1] not in b"/*"


def begins_as_http(data: bytes) -> bool:
    """Whether the first bytes are a method, or may become one."""
    return _METHOD.fullmatch(data.partition(b" ")[0]) is not None


def whole_head(data: bytes) -> bytes | None:
    """Give the head of a request with its blank line; ``None`` while it is not there.

    Raises:
        GatewayError: It could be read in two ways, or is too large.
    """
    end = data.find(b"\r\n\r\n") + 4
    fault: GatewayError | None = framing.check_partial(data) if end < 4 else framing.check_head(data[:end])
    if fault is not None:
        raise fault
    return data[:end] if end >= 4 else None


def read_meant(head: bytes) -> Meant:
    """Read whom a request for a proxy is for.

    Args:
        head: Checked.

    Raises:
        MalformedRequest: It names nobody.
    """
    line, _, rest = head.partition(b"\r\n")
    method, target, version = line.decode("latin-1").split(" ")
    if method == "CONNECT":
        host, port = read_authority(target, 0)
        return Meant(host, port, tunnel=True)
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        raise MalformedRequest("A proxy is asked for addresses that begin with http://, or for a connection.")
    host, port = read_authority(match[1], 80)
    first = f"{method} {match[2] or '/'} {version}\r\n".encode("latin-1")
    return Meant(host, port, tunnel=False, head=first + _ending(rest))


def read_authority(written: str, port: int) -> tuple[str, int]:
    """Read ``host:port``.

    Args:
        written: As the client has it.
        port: The one that is meant where it says none; 0 where it must.

    Raises:
        MalformedRequest: It is neither a name nor an address.
    """
    match = _AUTHORITY.fullmatch(written)
    number = port if match is None or match[3] is None else int(match[3])
    if match is None or not 0 < number < 65_536:
        raise MalformedRequest("A host and a port are needed.")
    return (match[1] or match[2]).lower().rstrip("."), number


def _ending(lines: bytes) -> bytes:
    """Header lines for who is meant: nothing of what was between the client and its proxy; one request a connection."""
    kept = [
        line
        for line in lines.split(b"\r\n")
        if not line.lower().startswith((b"proxy-", b"connection:", b"keep-alive:"))
    ]
    return b"connection: close\r\n" + b"\r\n".join(kept)


def host_header(head: bytes) -> str:
    """Give the host that a request names, without its port and in lower case; empty where it names none."""
    match = _HOST.search(head)
    return "" if match is None else match[1].decode("latin-1").lower().strip("[]").rstrip(".")
