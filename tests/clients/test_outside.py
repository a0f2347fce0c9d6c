from __future__ import annotations

import asyncio

import pytest

from gateway.clients.outside import check_outside, is_public
from gateway.core.errors import ConnectFailed, GatewayError, InvalidAnswer

OURS = "https://login.example.com/.well-known/openid-configuration"


def refused(url: str, ours: str = OURS) -> GatewayError | None:
    try:
        asyncio.run(check_outside(url, ours))
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
        "https://localhost/keys",
        "https://10.0.0.1/keys",
        "https://192.168.1.1/keys",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/keys",
        "https://[::ffff:127.0.0.1]/keys",
        "https://[fd00::1]/keys",
        "https://0.0.0.0/keys",
        "https://100.64.0.1/keys",
        "https://224.0.0.1/keys",
        "https://2130706433/keys",
        "https://user:password@login.example.com/keys",
        "https://login.example.com@1.1.1.1/keys",
        "file:///etc/passwd",
        "gopher://login.example.com/",
        "https:///keys",
        "https://login.example.com:port/keys",
        "https://[::1/keys",
        "https://login.example.com/a b",
        "https://login.example.com/a\r\nx: y",
        "",
    ],
)
def test_what_may_not(url: str) -> None:
    assert isinstance(refused(url), InvalidAnswer)


def test_a_host_without_an_address_is_no_bug() -> None:
    assert isinstance(refused(f"https://{'a' * 64}.invalid/keys"), ConnectFailed)


def test_addresses() -> None:
    assert is_public("8.8.8.8")
    assert not is_public("fe80::1%eth0")
    assert not is_public("nobody")
