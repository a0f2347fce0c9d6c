"""What the first bytes of a connection say, in every number of pieces; and where it was going."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import HeadersTooLarge, MalformedRequest
from gateway.listener import newcomer
from gateway.listener.newcomer import (
    MAX_WAITING_BYTES,
    Held,
    Meant,
    read_authority,
    read_meant,
    sent_to,
    wants_elsewhere,
)

CONNECT = b"CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n\r\n"
ABSOLUTE = (
    b"POST http://Vllm:8000/v1/x?y=z HTTP/1.1\r\nHost: vllm:8000\r\nProxy-Connection: keep-alive\r\n"
    b"Connection: keep-alive\r\nX-A: b\r\n\r\n"
)


@pytest.mark.parametrize(
    ("data", "elsewhere"),
    [
        (b"CONNECT a:1 ", True),
        (b"GET http://a/ ", True),
        (b"GET ftp://a/ ", True),
        (b"GET a", True),
        (b"GET / ", False),
        (b"OPTIONS * ", False),
        (b"get /", False),
        (b"\x00\x01", False),
        (b"GET\t/", False),
        (b"X" * 21, False),
        (b"GET", None),
        (b"GET ", None),
        (b"CONNECT", None),
    ],
)
def test_whom_a_request_is_for_is_known_by_its_first_bytes(data: bytes, elsewhere: bool | None) -> None:
    assert wants_elsewhere(data) is elsewhere


@pytest.mark.parametrize("data", [CONNECT, ABSOLUTE, b"GET / HTTP/1.1\r\n\r\n"])
def test_less_of_it_never_says_something_else(data: bytes) -> None:
    final = wants_elsewhere(data)
    assert all(wants_elsewhere(data[:end]) in (None, final) for end in range(1, len(data)))


def test_who_is_meant_is_read_and_what_was_between_is_left_out() -> None:
    assert read_meant(CONNECT) == Meant("api.example.com", 443, tunnel=True)
    found = read_meant(ABSOLUTE)
    assert (found.host, found.port, found.tunnel) == ("vllm", 8000, False)
    assert found.head == b"POST /v1/x?y=z HTTP/1.1\r\nconnection: close\r\nHost: vllm:8000\r\nX-A: b\r\n\r\n"
    assert read_meant(b"GET http://a HTTP/1.1\r\n\r\n").head.startswith(b"GET / HTTP/1.1\r\n")
    assert read_meant(b"GET HTTP://[::1]:8/ HTTP/1.1\r\n\r\n").host == "::1"


@given(st.text(max_size=40))
def test_an_authority_is_read_or_refused(written: str) -> None:
    try:
        host, port = read_authority(written, 80)
    except MalformedRequest:
        return
    assert host == host.lower()
    assert 0 < port < 65_536
    assert not set(host) & set("/@ \r\n#?")


def test_a_head_is_waited_for_and_must_be_one() -> None:
    assert all(newcomer.whole_head(CONNECT[:end]) is None for end in range(len(CONNECT)))
    assert newcomer.whole_head(CONNECT + b"more") == CONNECT
    with pytest.raises(MalformedRequest):
        newcomer.whole_head(CONNECT.replace(b"\r\nHost", b"\nHost"))
    with pytest.raises(HeadersTooLarge):
        newcomer.whole_head(b"CONNECT " + b"a" * 70_000)


def test_the_host_is_read_where_there_is_one() -> None:
    for line, host in [(b"Host: A.example:80", "a.example"), (b"hOST:\t[::1]:8", "::1"), (b"X-Host: a", "")]:
        assert newcomer.host_header(b"GET / HTTP/1.1\r\n" + line + b"\r\n\r\n") == host


class Told:
    """A transport, and its socket, of which the kernel says where it was going."""

    def __init__(self, here: tuple[Any, ...], answer: bytes | OSError) -> None:
        self.here = here
        self.answer = answer
        self.paused = False

    def get_extra_info(self, name: str) -> Any:
        return self if name == "socket" else self.here

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        assert (level, option) == (socket.IPPROTO_IPV6 if ":" in self.here[0] else socket.IPPROTO_IP, 80)
        if isinstance(self.answer, OSError):
            raise self.answer
        assert len(self.answer) == size
        return self.answer

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.paused = True


V4 = struct.pack("!2sH4s8x", b"\x02\x00", 443, socket.inet_aton("93.184.216.34"))
V6 = struct.pack("!2sHI16s4x", b"\x0a\x00", 443, 0, socket.inet_pton(socket.AF_INET6, "2001:db8::1"))


@pytest.mark.parametrize(
    ("here", "answer", "found"),
    [
        (("127.0.0.1", 8080), V4, ("93.184.216.34", 443)),
        (("::1", 8080, 0, 0), V6, ("2001:db8::1", 443)),
        # It was coming here, and no rule has touched it.
        (("93.184.216.34", 443), V4, None),
        (("127.0.0.1", 8080), OSError(2, "no such entry"), None),
    ],
)
def test_where_it_was_going_is_what_the_kernel_says(here: Any, answer: Any, found: Any) -> None:
    assert sent_to(cast("asyncio.BaseTransport", Told(here, answer))) == found


def test_what_waits_is_bounded() -> None:
    transport = Told(("127.0.0.1", 1), b"")
    held = Held()
    held.connection_made(cast("asyncio.BaseTransport", transport))
    held.data_received(b"x" * MAX_WAITING_BYTES)
    assert not transport.paused
    held.data_received(b"x")
    assert transport.paused
    gone: list[bool] = []
    held.over = lambda: gone.append(True)
    held.connection_lost(None)
    assert (held.gone, gone) == (True, [True])
