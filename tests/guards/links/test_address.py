"""Where a URL leads, in every notation that some program understands."""

from __future__ import annotations

import pytest

from gateway.guards.links.address import plain_host, read, split_port


@pytest.mark.parametrize(
    ("written", "hosts"),
    [
        ("https://evil.example/x", ("evil.example",)),
        ("HTTPS://EVIL.example", ("evil.example",)),
        ("https://evil.example.", ("evil.example",)),
        ("//evil.example/x", ("evil.example",)),
        ("\\\\evil.example/x", ("evil.example",)),
        ("/\\evil.example", ("evil.example",)),
        ("https:evil.example", ("evil.example",)),
        ("https:/evil.example", ("evil.example",)),
        ("https:////evil.example", ("evil.example",)),
        ("ht\ntps:\t//evil.example", ("evil.example",)),
        ("\x01 https://evil.example", ("evil.example",)),
        ("https://ev\u200bil.example", ("evil.example",)),
        ("https&#58;&#x2f;&sol;evil.example", ("evil.example",)),
        ("https%3A%2F%2Fevil.example", ("evil.example",)),
        ("https://%65vil.example", ("evil.example",)),
        ("https://evil\u3002example", ("evil.example",)),
        ("https://ｅｖｉｌ．example", ("evil.example",)),
        ("https://bücher.example", ("xn--bcher-kva.example",)),
        ("https://good.example@evil.example", ("evil.example",)),
        ("https://good.example:x@evil.example", ("evil.example",)),
        ("https://good.example\\@evil.example", ("good.example", "evil.example")),
        ("https://evil.example\\.good.example", ("evil.example", "")),
        ("www.evil.example:8080/x", ("www.evil.example",)),
        ("gopher://evil.example", ("evil.example",)),
        ("http://2130706433", ("127.0.0.1",)),
        ("http://0x7f.1", ("127.0.0.1",)),
        ("http://0177.0.0.01", ("127.0.0.1",)),
        ("http://127.1", ("127.0.0.1",)),
        ("http://[::ffff:127.0.0.1]:80/", ("127.0.0.1",)),
        ("http://[2001:DB8:0::1]", ("2001:db8::1",)),
        ("http://1.2.3.4.5", ("",)),
        ("http://256.1", ("",)),
        ("http://[::1", ("",)),
        ("http://a..b", ("",)),
        ("http://a b", ("",)),
        ("http://host:port/", ("",)),
        ("http://", ("",)),
    ],
)
def test_the_host_is_found(written: str, hosts: tuple[str, ...]) -> None:
    address = read(written)
    assert address is not None
    assert address.hosts == hosts


@pytest.mark.parametrize("written", ["", "/docs/a", "docs/a.md", "#part", "?q=1", "mailto:a@b.example", "main.py:12"])
def test_what_leads_to_nobody(written: str) -> None:
    assert read(written) is None


@pytest.mark.parametrize("written", ["javascript:alert(1)", "data:text/html,x", "vbscript:x", "java\nscript:x"])
def test_schemes_without_a_host(written: str) -> None:
    address = read(written)
    assert address is not None
    assert address.opaque


def test_a_user_name_is_told() -> None:
    for written in ("https://a@b.example", "https://a:b@c.example", "https://a.example\\@b.example"):
        address = read(written)
        assert address is not None
        assert address.named
    plain = read("https://a.example/@b")
    assert plain is not None
    assert not plain.named


def test_a_port_of_the_scheme_is_no_other_port() -> None:
    for written, default in (("http://a.example:80", True), ("https://a.example:80", False), ("//a.example", True)):
        address = read(written)
        assert address is not None
        assert address.default_port is default
    assert split_port("a.example:") == ("a.example", None)
    assert split_port("[::1]:8080") == ("[::1]", 8080)
    assert split_port("a.example:123456") == ("", None)


def test_numbers_that_are_no_address_are_no_host() -> None:
    for host in ("08.1", "1.2.3.256", "0x1ffffffff", "9" * 20, "a.0x1"):
        assert plain_host(host) == ""
