from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import MalformedRequest
from gateway.wire.client_cert import MAX_BYTES, MAX_ELEMENTS, parse_client_certs

# As Envoy's own documentation has them.
ONE = (
    b"By=http://frontend.lyft.com;Hash=468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688;"
    b'Subject="/C=US/ST=CA/L=San Francisco/OU=Lyft/CN=Test Client";URI=http://testclient.lyft.com'
)
TWO = (
    b"By=http://frontend.lyft.com;Hash=468e;URI=http://testclient.lyft.com,"
    b"By=http://backend.lyft.com;Hash=9ba6;URI=http://frontend.lyft.com"
)
DNS = (
    b'By=http://frontend.lyft.com;Hash=468e;Subject="/C=US/CN=Test Client";URI=http://testclient.lyft.com;'
    b"DNS=lyft.com;DNS=www.lyft.com"
)


def test_what_envoy_writes_is_read() -> None:
    (one,) = parse_client_certs(ONE)
    assert one["subject"] == ("/C=US/ST=CA/L=San Francisco/OU=Lyft/CN=Test Client",)
    assert one["uri"] == ("http://testclient.lyft.com",)
    assert [each["by"] for each in parse_client_certs(TWO)] == [
        ("http://frontend.lyft.com",),
        ("http://backend.lyft.com",),
    ]
    (dns,) = parse_client_certs(DNS)
    assert dns["dns"] == ("lyft.com", "www.lyft.com")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b'Subject="CN=a,O=b;c=\\"d\\""', {"subject": ('CN=a,O=b;c="d"',)}),
        (b'Subject="CN=a\\\\,b"', {"subject": ("CN=a\\\\,b",)}),
        (b'Subject="";URI=spiffe://a', {"subject": ("",), "uri": ("spiffe://a",)}),
        (b"URI=;Hash=1", {"uri": ("",), "hash": ("1",)}),
        (b"uri=a", {"uri": ("a",)}),
        (
            b'Subject="x,URI=spiffe://root";URI=spiffe://me',
            {"subject": ("x,URI=spiffe://root",), "uri": ("spiffe://me",)},
        ),
        (b"URI=a;URI=b", {"uri": ("a", "b")}),
        (b'Cert="-----BEGIN%20CERTIFICATE-----%0A"', {"cert": ("-----BEGIN%20CERTIFICATE-----%0A",)}),
    ],
)
def test_quoting(value: bytes, found: dict[str, tuple[str, ...]]) -> None:
    assert parse_client_certs(value) == (found,)


def test_header_lines_that_were_joined_are_elements() -> None:
    assert [one["uri"] for one in parse_client_certs(b"URI=a, URI=b,URI=c")] == [("a",), ("b",), ("c",)]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"URI",
        b",",
        b"URI=a,",
        b"URI=a;",
        b"URI=a,,URI=b",
        b";URI=a",
        b"Unknown=a",
        b"=a",
        b"URI=a=b",
        b'URI=a"b"',
        b'URI="a',
        b'URI="a\\',
        b'URI="a"b',
        b'URI="a" ;Hash=1',
        b"Hash=a;Hash=b",
        b"Hash=a;hash=b",
        b'Subject="a";Subject="b"',
        b"URI =a",
        b" URI=a",
        b"URI=a\r\nURI=b",
        b"URI=a\0",
        b"URI=\xff",
        b",".join([b"URI=a"] * (MAX_ELEMENTS + 1)),
        b"URI=" + b"a" * MAX_BYTES,
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(value: bytes) -> None:
    with pytest.raises(MalformedRequest):
        parse_client_certs(value)


PLAIN = st.text(st.characters(codec="ascii", exclude_categories=["C"]), max_size=20)
ELEMENT = st.dictionaries(
    st.sampled_from(["by", "uri", "dns", "hash", "subject"]), st.lists(PLAIN, min_size=1, max_size=1), min_size=1
)


def written(elements: list[dict[str, list[str]]]) -> bytes:
    """As a proxy writes them, everything quoted; a backslash of its own would be an escape of the name's."""
    pairs = [";".join(f'{name}="{value}"' for name, values in one.items() for value in values) for one in elements]
    return ",".join(pairs).encode()


@given(st.lists(ELEMENT, min_size=1, max_size=5))
def test_what_is_quoted_comes_back_whatever_it_is(elements: list[dict[str, list[str]]]) -> None:
    plain = [{name: [value.replace("\\", "/") for value in values] for name, values in one.items()} for one in elements]
    escaped = [{name: [value.replace('"', '\\"') for value in values] for name, values in one.items()} for one in plain]
    assert parse_client_certs(written(escaped)) == tuple(
        {name: tuple(values) for name, values in one.items()} for one in plain
    )


@given(st.binary(max_size=80) | st.text('URI="=;,\\ab ').map(str.encode))
def test_whatever_comes_is_read_or_refused(value: bytes) -> None:
    try:
        elements = parse_client_certs(value)
    except MalformedRequest:
        return
    # Nothing of the text is lost but what frames it.
    assert len(elements) <= value.count(b",") + 1
