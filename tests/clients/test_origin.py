"""Where connections go, as addresses say it."""

from __future__ import annotations

import pytest

from gateway.clients.origin import Origin
from gateway.core.errors import Misconfigured


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


@pytest.mark.parametrize("url", ["ftp://a", "http://", "http://a:b", "a", "http://a:99999"])
def test_what_is_no_base_url_is_refused(url):
    with pytest.raises(Misconfigured):
        Origin.parse(url)


def test_the_host_header_names_a_port_only_where_it_is_not_the_schemes_own():
    assert Origin.parse("https://api.openai.com/v1").host_header == b"api.openai.com"
    assert Origin.parse("http://[::1]:8000").host_header == b"[::1]:8000"
    assert Origin.parse("https://a:443").port == 443
