from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import imei as known_imei

from gateway.core.verdict import DetectorSpec
from gateway.guards.matcher import Matcher
from gateway.guards.pii.network import booked_imei, dotted_mac, imei
from gateway.policy.pii.catalogue import pii_patterns
from tests.guards.pii.catalogue import masked

EVERY_IP = Matcher(
    [DetectorSpec(name="ids", use="pii", patterns=pii_patterns(entities=["IP"], require="any", private_ips=True))]
)


@pytest.mark.parametrize(
    ("text", "out"),
    [
        ("Bob <bob@example.com>", "Bob <[EMAIL]>"),
        ("mailto:bob@example.com?x", "mailto:[EMAIL]?x"),
        ("'bob@example.com'", "'[EMAIL]'"),
        ("bob@example.co.uk.", "[EMAIL]."),
        ("bob@example.com.Next one", "[EMAIL].Next one"),
        ("bob@example.com-then", "[EMAIL]-then"),
        ("_bob@example.com_", "_[EMAIL]_"),
        ("to=%3Cbob@example.com%3E", "to=%3C[EMAIL]%3E"),
        ("\\nbob@example.com\\n", "\\n[EMAIL]\\n"),
        ("bob@xn--bcher-kva.example", "[EMAIL]"),
        ("bob@host.xn--p1ai", "[EMAIL]"),
        ("邮箱bob@example.com。", "邮箱[EMAIL]。"),
        ("https://bob@example.com/x", "https://[EMAIL]/x"),
    ],
)
def test_addresses_are_cut_out_exactly(text: str, out: str) -> None:
    assert masked(text) == out


@pytest.mark.parametrize(
    "text",
    [
        "git@github.com:owner/repo",
        "image@2x.png",
        "a@b.T",
        "x @ y.T",
        "pkg@1.2.3",
        "user@localhost",
        "@types/node",
        "a..b@example.com",
        "bob.@example.com",
        "a" * 65 + "@example.com",
        "bob@-example.com",
        "bob@exa_mple.com",
        "bob@.com",
        "W@x.Shape",
        "n@example.c",
        "lodash@latest",
        "@app.get",
    ],
)
def test_what_is_no_address(text: str) -> None:
    assert masked(text) == text


def test_a_long_host_costs_little() -> None:
    text = ("a@" + "a." * 126 + " ") * 40
    assert masked(text) == text


@given(st.ip_addresses())
def test_every_address_counts_when_any_is_wanted(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    text = str(address)
    if address.version == 4 or not (text.startswith("::") or text.endswith("::")):
        assert masked(f"<{text}>", EVERY_IP) == "<[IP]>"


@pytest.mark.parametrize(
    "text",
    [
        "1.2.3.4",
        "v203.0.113.195",
        "==203.113.195.1",
        "Chrome/120.0.109.224",
        "1.203.113.195.7",
        "256.203.113.195",
        "203.0.113.01",
        "version 203.113.195.1",
        "pkg-203.113.195.1",
        "10.200.113.195",
        "192.168.100.200",
        "127.0.0.1",
        "ip 10.0.0.1",
        "a[1::2]",
        "std::dead::beef",
        "12:30:45",
        "::1",
        "fe80::1ff:fe23:4567:890a",
        "1:2:3:4:5:6:7:8",
        "server fd00::1234:5678",
        "2001:db8:1:2:3:4:5:6:7",
    ],
)
def test_what_is_no_address_of_a_machine(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize(
    ("text", "out"),
    [
        ("from 203.0.113.195.", "from [IP]."),
        ("203.0.113.195:8080", "[IP]:8080"),
        ("198.51.100.0/24", "[IP]/24"),
        ("dns 8.8.8.8", "dns [IP]"),
        ("http://203.0.113.195/", "http://[IP]/"),
        ("[2001:db8::1]:443", "[[IP]]:443"),
        ("2001:db8:0:1:1:1:1:1", "[IP]"),
    ],
)
def test_machines_are_cut_out_exactly(text: str, out: str) -> None:
    assert masked(text) == out


@pytest.mark.parametrize(
    "text",
    [
        "00:00:00:00:00:00",
        "ff:ff:ff:ff:ff:ff",
        "24-01-15-12-30-45",
        "aa:bb:cc:dd:ee:ff:00:11:22:33",
        "aa:bb-cc:dd:ee:ff",
        "0011.2233.4455",
        "aa:bb:cc:dd:ee",
    ],
)
def test_what_is_no_mac(text: str) -> None:
    assert "MAC" not in masked(text)


def test_macs() -> None:
    assert masked("aa:bb:cc:dd:ee:0f: up") == "[MAC]: up"
    assert masked("AA-BB-CC-DD-EE-0F") == "[MAC]"
    assert masked("mac 0011.2233.4455") == "mac [MAC]"
    assert not dotted_mac("F" * 12)


@given(st.integers(0, 10**15 - 1))
def test_telephones_keep_luhn(number: int) -> None:
    digits = f"{number:015}"
    assert imei(digits) == (known_imei.is_valid(digits) and len(set(digits)) > 3)
    assert booked_imei(digits) == (imei(digits) and digits[:2] in {"01", "35", "86"})
