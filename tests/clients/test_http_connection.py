"""Origins; what a connection does with bytes is tested over sockets in test_http.py."""

from __future__ import annotations

import asyncio

import pytest

from gateway.clients.http import HttpClient
from gateway.clients.http_connection import Origin
from tests.clients.test_http import PATIENT, REQUEST, Sink
from tests.support.provider import scripted


@pytest.mark.parametrize(
    ("url", "tls", "port", "host"),
    [
        ("http://a/v1", False, 80, b"a"),
        ("https://a", True, 443, b"a"),
        ("http://a:443", False, 443, b"a:443"),
        ("https://a:8443/x", True, 8443, b"a:8443"),
    ],
)
def test_an_origin_is_scheme_host_and_port(url, tls, port, host):
    origin = Origin.parse(url)
    assert (origin.tls, origin.port, origin.host_header) == (tls, port, host)
    assert origin == Origin.parse(url + "/")


def test_whenever_a_call_is_cancelled_its_connection_counts_no_more():
    async def main() -> None:
        never = asyncio.Event()
        async with scripted([never]) as provider:
            client = HttpClient()
            origin = Origin.parse(f"http://127.0.0.1:{provider.port}")
            for turns in range(24):
                call = client.send(origin, REQUEST, Sink(), PATIENT)
                # Before its task has begun, while it connects, and when it is connected.
                for _ in range(turns):
                    await asyncio.sleep(0)
                call.cancel()
                for _ in range(2000):
                    if client.counts() == (0, 0):
                        break
                    await asyncio.sleep(0.01)
                assert (client.counts(), client.active()) == ((0, 0), 0), turns
            # None was lost on the way: one that nobody cancels has its place.
            call = client.send(origin, REQUEST, Sink(), PATIENT)
            assert (client.counts(), client.active()) == ((1, 0), 1)
            call.cancel()
            await client.close()

    asyncio.run(main())
