"""Hosts that may be reached, and hosts that only look like them."""

from __future__ import annotations

import pytest

from gateway.guards.links.address import read
from gateway.guards.links.allowlist import AllowList, plain_path, skeleton

ALLOW = AllowList(
    ["example.com", "*.acme.example", "docs.example/guide", "intra.example:8443", "10.0.0.1", "[2001:db8::1]:8080"]
)


def admitted(written: str) -> bool:
    address = read(written)
    assert address is not None
    return all(ALLOW.admits(address, host) for host in address.hosts)


@pytest.mark.parametrize(
    "written",
    [
        "https://example.com",
        "http://EXAMPLE.com./x",
        "//example.com:/x",
        "https://example.com:443/",
        "https://a.acme.example",
        "https://a.b.acme.example/x",
        "https://docs.example/guide",
        "https://docs.example/guide/a?x#y",
        "https://docs.example/%67uide/a",
        "https://intra.example:8443/",
        "http://10.1",
        "http://[2001:db8:0:0::1]:8080/",
    ],
)
def test_admitted(written: str) -> None:
    assert admitted(written)


@pytest.mark.parametrize(
    "written",
    [
        "https://www.example.com",
        "https://example.com:8443",
        "http://example.com:443",
        "https://acme.example",
        "https://evilacme.example",
        "https://docs.example/",
        "https://docs.example/guidelines",
        "https://docs.example/guide/../x",
        "https://docs.example/guide/%252e%252e/x",
        "https://docs.example/guide\\..\\x",
        "https://docs.example/guide;/../x",
        "https://intra.example/",
        "http://10.0.0.2",
        "http://[2001:db8::1]/",
        "https://",
    ],
)
def test_not_admitted(written: str) -> None:
    assert not admitted(written)


@pytest.mark.parametrize(
    "host",
    [
        "examp1e.com",
        "xn--exmple-4nf.com",
        "exarnple.com",
        "EXAMPLE.COM.evil.example",
        "www.exampIe.com",
        "aсme.example",
    ],
)
def test_look_alikes(host: str) -> None:
    assert ALLOW.mimicked(host.lower())


def test_what_looks_like_nothing_on_the_list() -> None:
    assert ALLOW.mimicked("other.example") == ""
    assert ALLOW.mimicked("") == ""
    assert AllowList([]).mimicked("example.com") == ""


def test_a_skeleton_is_what_a_reader_sees() -> None:
    assert skeleton("pаypаl.com") == skeleton("paypal.com") == skeleton("paypa1.com")
    assert skeleton("github.com") != skeleton("gitlab.com")
    assert skeleton("xn--\u00ff.com")


def test_paths() -> None:
    assert plain_path("") == "/"
    assert plain_path("?q=/a/../b") == "/"
    assert plain_path("/a/./b") is None
