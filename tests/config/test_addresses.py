from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.addresses import (
    Address,
    ClickHouseUrl,
    is_rpc,
    parse_address,
    parse_base_url,
    parse_clickhouse,
    parse_server_url,
    points_at,
)


@pytest.mark.parametrize("written", ["127.0.0.1:8080", "[::1]:8080", "localhost:0", "gateway.svc:65535"])
def test_an_address_shows_as_it_was_written(written: str):
    assert str(parse_address(written)) == written


@pytest.mark.parametrize("written", ["", ":8080", "8080", "host", "::1:80", "h:65536", "h:-1", "a b:1", 8080, None])
def test_no_address(written: object):
    with pytest.raises(ValueError, match="host:port"):
        parse_address(written)


@pytest.mark.parametrize(
    ("host", "loopback", "everywhere"),
    [
        ("127.0.0.1", True, False),
        ("127.9.9.9", True, False),
        ("::1", True, False),
        ("localhost", True, False),
        ("0.0.0.0", False, True),
        ("::", False, True),
        ("10.0.0.1", False, False),
        ("example.com", False, False),
    ],
)
def test_who_can_reach_an_address(host: str, loopback: bool, everywhere: bool):
    address = Address(host, 1)
    assert (address.is_loopback, address.is_everywhere) == (loopback, everywhere)


def test_a_base_url_loses_its_trailing_slash_and_nothing_else():
    assert parse_base_url("http://vllm-a:8000/v1/") == "http://vllm-a:8000/v1"
    assert parse_base_url("https://api.example.com") == "https://api.example.com"
    assert parse_base_url("http://[::1]:9000/x/y") == "http://[::1]:9000/x/y"


def test_a_server_may_be_spoken_to_by_grpc():
    assert parse_server_url("grpc://triton:8001/") == "grpc://triton:8001"
    assert is_rpc(parse_server_url("grpcs://triton:8001"))
    assert not is_rpc(parse_server_url("http://triton:8000/"))


@pytest.mark.parametrize("written", ["grpc://triton", "grpc://triton:8001/v2", "grpc://"])
def test_no_address_of_a_server(written: str):
    with pytest.raises(ValueError, match="should be"):
        parse_server_url(written)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("grpc://triton:8001", "base URL"),
        ("api.example.com/v1", "base URL"),
        ("http://", "base URL"),
        ("", "base URL"),
        ("http://h:99999/", "base URL"),
        ("http://h:0/", "base URL"),
        ("http://a b/", "base URL"),
        (1, "base URL"),
        ("http://h/\nx", "base URL"),
        ("http://h/é", "base URL"),
        ("http://[::1/", "base URL"),
        ("https://u:hunter22@h/v1", "api_key"),
        ("https://h/v1?key=hunter22", "query"),
        ("https://h/#f", "fragment"),
    ],
)
def test_no_base_url(written: object, why: str):
    with pytest.raises(ValueError, match=why) as caught:
        parse_base_url(written)
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "address", "itself"),
    [
        ("http://127.0.0.1:8080/v1", "127.0.0.1:8080", True),
        ("http://localhost:8080/v1", "127.0.0.1:8080", True),
        ("http://127.0.0.1:8080/v1", "0.0.0.0:8080", True),
        ("http://127.0.0.1:8080/v1", "[::]:8080", True),
        ("http://10.1.1.1:8080/v1", "10.1.1.1:8080", True),
        ("http://10.1.1.1:8080/v1", "127.0.0.1:8080", False),
        ("http://127.0.0.1:9000/v1", "127.0.0.1:8080", False),
        ("https://localhost/", "127.0.0.1:443", True),
        ("http://localhost/", "127.0.0.1:443", False),
    ],
)
def test_a_url_that_leads_back_to_us_is_known(url: str, address: str, itself: bool):
    assert points_at(url, parse_address(address)) is itself


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        (
            "clickhouse://user:env:CH_PASSWORD@host:8123/weighbridge",
            ClickHouseUrl("user", "env:CH_PASSWORD", Address("host", 8123), "weighbridge"),
        ),
        (
            "clickhouse://user:file:/run/secrets/ch@host/db",
            ClickHouseUrl("user", "file:/run/secrets/ch", Address("host", 8123), "db"),
        ),
        ("clickhouse://host:9999/db", ClickHouseUrl("default", None, Address("host", 9999), "db")),
        ("clickhouse://me@[::1]:8123/db", ClickHouseUrl("me", None, Address("::1", 8123), "db")),
    ],
)
def test_a_clickhouse_url_is_taken_apart(written: str, parts: ClickHouseUrl):
    assert parse_clickhouse(written) == parts


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("clickhouse://user:hunter22@host/db", "referred to"),
        ("clickhouse://host:8123", "clickhouse://user:env"),
        ("clickhouse://host:99999/db", "clickhouse://user:env"),
        ("clickhouse:///db", "clickhouse://user:env"),
    ],
)
def test_no_clickhouse_url(written: str, why: str):
    with pytest.raises(ValueError, match=why) as caught:
        parse_clickhouse(written)
    assert "hunter22" not in str(caught.value)


@given(st.text(max_size=40))
def test_no_text_raises_anything_else(text: str):
    for parse in (parse_address, parse_base_url, parse_clickhouse):
        with contextlib.suppress(ValueError):
            assert parse(text)
