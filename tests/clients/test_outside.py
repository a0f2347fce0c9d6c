from __future__ import annotations

import asyncio
import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clients.outside import is_elsewhere, is_public, may_be_led_to, may_be_reached, plain, public_addresses
from gateway.core.errors import ConnectFailed, GatewayError, InvalidAnswer

OURS = "https://login.example.com/.well-known/openid-configuration"
# Every form in which a computer's own addresses, and those of its network, come along.
INSIDE = (
    "127.0.0.1", "127.8.9.1", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "100.100.100.200", "168.63.129.16", "0.0.0.0", "0.1.2.3", "192.0.0.192", "192.0.2.1", "198.18.0.1",
    "192.88.99.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1%eth0", "fd00:ec2::254", "fec0::1",
    "ff02::1", "::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "::127.0.0.1", "::a9fe:a9fe", "64:ff9b::7f00:1",
    "64:ff9b::a00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:db8::1", "100::1", "5f00::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
)  # fmt: skip


def refused(url: str, ours: str = OURS) -> GatewayError | None:
    """As it is done: what was named is read, and its host looked up."""

    async def ask() -> None:
        if is_elsewhere(url, ours):
            host = url.partition("://")[2].partition("/")[0].strip("[]")
            await public_addresses(host, 443)

    try:
        asyncio.run(ask())
    except GatewayError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("https://login.example.com/keys", OURS),
        ("https://login.example.com:8443/keys?p=1", OURS),
        ("http://127.0.0.1:9/keys", "http://127.0.0.1:9/x"),
        ("https://127.0.0.1:9/keys", "http://127.0.0.1:9/x"),
        ("https://1.1.1.1/keys", OURS),
    ],
)
def test_what_may_be_asked(url: str, ours: str) -> None:
    assert refused(url, ours) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example.com/keys",
        "http://1.1.1.1/keys",
        "https://127.0.0.1/keys",
        "https://127.1/keys",
        "https://0x7f.0.0.1/keys",
        "https://0177.0.0.1/keys",
        "https://2130706433/keys",
        "https://localhost/keys",
        "https://10.0.0.1/keys",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/keys",
        "https://[::ffff:127.0.0.1]/keys",
        "https://[::7f00:1]/keys",
        "https://[fd00::1]/keys",
        "https://user:password@login.example.com/keys",
        "https://login.example.com@1.1.1.1/keys",
        "file:///etc/passwd",
        "gopher://login.example.com/",
        "https:///keys",
        "https://login.example.com:0/keys",
        "https://login.example.com:port/keys",
        "https://[::1/keys",
        "https://login.example.com/a b",
        "https://login.example.com/a\r\nx: y",
        "https://login.exámple.com/keys",
        "",
    ],
)
def test_what_may_not(url: str) -> None:
    assert isinstance(refused(url), InvalidAnswer)


def test_a_host_without_an_address_is_no_bug() -> None:
    assert isinstance(refused(f"https://{'a' * 64}.invalid/keys"), ConnectFailed)


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_inside_is_not_reached(address: str) -> None:
    assert not is_public(address)
    assert not may_be_reached(address)


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "::ffff:1.1.1.1", "::1.1.1.1", "64:ff9b::101:101", "2002:101:101::"],
)
def test_what_is_public_is(address: str) -> None:
    assert is_public(address)
    assert may_be_reached(address)


def test_what_is_no_address_is_not_public() -> None:
    assert not is_public("nobody")
    assert not is_public("")


@given(st.ip_addresses())
def test_a_network_that_is_allowed_is_reached_and_no_other(address) -> None:
    assert may_be_reached(str(address), [ipaddress.ip_network(address)])


@given(st.ip_addresses(v=4))
def test_an_address_is_the_same_in_every_form(address: ipaddress.IPv4Address) -> None:
    packed = address.packed.hex()
    high, low = packed[:4], packed[4:]
    # What no protocol has ever given a meaning as one of the old: :: and ::1 are addresses of the new.
    forms = {f"::ffff:{address}", f"64:ff9b::{high}:{low}", f"2002:{high}:{low}::", f"::{high}:{low}"}
    for form in forms if int(address) > 1 else forms - {f"::{high}:{low}"}:
        assert plain(form) == address
        assert is_public(form) is is_public(str(address))
        assert may_be_led_to(form, from_here=False) is may_be_led_to(str(address), from_here=False)


@given(st.ip_addresses())
def test_nothing_is_public_that_python_knows_to_be_private(address) -> None:
    found = plain(str(address))
    if found.is_private or found.is_loopback or found.is_link_local or found.is_multicast or found.is_reserved:
        assert not is_public(str(address))


@pytest.mark.parametrize(
    ("address", "from_here", "elsewhere"),
    [
        ("93.184.216.34", True, True),
        ("10.0.0.8", True, True),
        ("2001:db8::1", True, True),
        ("127.0.0.1", True, False),
        ("::1", True, False),
        ("::ffff:127.0.0.1", True, False),
        ("::127.0.0.1", True, False),
        ("64:ff9b::7f00:1", True, False),
        ("169.254.169.254", False, False),
        ("::169.254.169.254", False, False),
        ("64:ff9b::a9fe:a9fe", False, False),
        ("2002:a9fe:a9fe::1", False, False),
        ("fe80::1%eth0", False, False),
        ("fd00:ec2::254", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("100.100.100.200", False, False),
        ("168.63.129.16", False, False),
        ("0.0.0.0", False, False),
        ("224.0.0.1", False, False),
        ("no address", False, False),
    ],
)
def test_what_only_this_machine_reaches_only_its_own_reach(address: str, from_here: bool, elsewhere: bool) -> None:
    assert may_be_led_to(address, from_here=True) is from_here
    assert may_be_led_to(address, from_here=False) is elsewhere


@pytest.mark.parametrize("second", ["127.0.0.1", "10.0.0.1", "::1"])
def test_a_host_that_is_half_inside_is_not_asked(second: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(*_: object, **__: object):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 443)) for host in ("1.1.1.1", second)]

    async def main() -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
        with pytest.raises(InvalidAnswer):
            await public_addresses("keys.example.com", 443)

    asyncio.run(main())
