"""What OpenSSL says first, in every number of pieces; and bytes that are none of it."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import MalformedRequest
from gateway.wire.client_hello import MAX_HELLO_BYTES, ClientHello, read_client_hello


def hello(name: str | None = "api.openai.com", protocols: tuple[str, ...] = ()) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if protocols:
        context.set_alpn_protocols(list(protocols))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    peer = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        peer.do_handshake()
    return outgoing.read()


def in_records(data: bytes, size: int) -> bytes:
    """The same message in records of this many bytes."""
    message = data[5:]
    pieces = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + len(each).to_bytes(2, "big") + each for each in pieces)


@pytest.mark.parametrize("name", ["api.openai.com", "my_resource.openai.azure.com", "a" * 60 + ".example"])
@pytest.mark.parametrize("protocols", [(), ("http/1.1",), ("h2", "http/1.1")])
def test_whom_openssl_wants_is_read(name: str, protocols: tuple[str, ...]) -> None:
    found = read_client_hello(hello(name, protocols))
    assert found == ClientHello(name, tuple(each.encode() for each in protocols))


def test_who_names_nobody_names_nobody() -> None:
    assert read_client_hello(hello(None)) == ClientHello()
    # An address is no name.
    assert read_client_hello(hello("127.0.0.1")) == ClientHello()


def test_names_are_told_in_one_way() -> None:
    found = read_client_hello(hello("API.OpenAI.com"))
    assert found is not None
    assert found.server_name == "api.openai.com"


def test_every_part_of_it_is_waited_for() -> None:
    data = hello("api.openai.com", ("h2",))
    assert all(read_client_hello(data[:end]) is None for end in range(len(data)))
    # What follows is not looked at.
    assert read_client_hello(data + b"\x17\x03\x03\x00\x05hello") == ClientHello("api.openai.com", (b"h2",))


@given(st.integers(1, 600))
def test_records_may_be_of_any_size(size: int) -> None:
    data = in_records(hello(), size)
    assert read_client_hello(data) == ClientHello("api.openai.com")
    assert read_client_hello(data[:-1]) is None


@given(st.binary(max_size=400))
def test_bytes_are_waited_for_or_refused_and_nothing_else(data: bytes) -> None:
    try:
        found = read_client_hello(data)
    except MalformedRequest:
        return
    assert found is None or isinstance(found, ClientHello)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_byte_that_is_wrong_never_breaks_it(at: int, change: int) -> None:
    data = bytearray(hello())
    data[at % len(data)] ^= change
    try:
        read_client_hello(bytes(data))
    except MalformedRequest:
        return


@pytest.mark.parametrize(
    "data",
    [
        b"POST / HTTP/1.1\r\n",
        b"\x17\x03\x01\x00\x05hello",
        b"\x16\x02\x00\x00\x05hello",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\x50\x00",
        b"\x16\x03\x01\x00\x01\x02",
        b"\x16\x03\x01\x00\x04\x01" + (MAX_HELLO_BYTES).to_bytes(3, "big"),
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03",
    ],
)
def test_what_cannot_be_one_is_refused_at_once(data: bytes) -> None:
    with pytest.raises(MalformedRequest):
        read_client_hello(data)


def test_a_name_that_is_none_is_refused() -> None:
    data = hello("api.openai.com").replace(b"api.openai.com", b"api/openai.com")
    with pytest.raises(MalformedRequest):
        read_client_hello(data)
