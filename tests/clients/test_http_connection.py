"""Origins; what a connection does with bytes is tested over sockets in test_http.py."""

from __future__ import annotations

import pytest

from gateway.clients.http_connection import Origin


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
