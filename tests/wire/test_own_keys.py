from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.key_token import make_id, make_token
from gateway.wire.headers import crossed_request_headers, forward_request_headers
from gateway.wire.own_keys import query_kept, reveals, shown, target_kept, without_own
from gateway.wire.triton.rpc_paths import rpc_headers

KEY = make_token(make_id(b"12345678"), b"k" * 32).encode()
DECLARED = b"any-words-of-theirs"
NAMES = (b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key")
FURTHER = (b"x-key", b"cookie", b"referer", b"user-agent", b"baggage", b"tracestate", b"x-amz-security-token", b"via")


def written(name: bytes, secret: bytes) -> bytes:
    return b"Bearer " + secret if name == b"authorization" else secret


@given(
    carrier=st.sampled_from(NAMES),
    others=st.lists(st.sampled_from((*NAMES, *FURTHER)), max_size=4),
    secret=st.sampled_from((KEY, DECLARED)),
    around=st.sampled_from((b"%b", b"a=%b", b"Token %b", b"https://x/?key=%b&a", b"x,%b;y")),
)
def test_no_header_that_repeats_a_key_goes_to_any_kind_of_provider(
    carrier: bytes, others: list[bytes], secret: bytes, around: bytes
) -> None:
    headers = {b"accept": b"*/*", b"traceparent": b"00-1-2-00"}
    headers |= dict.fromkeys(others, around % secret) | {carrier: written(carrier, secret)}
    drop = frozenset((carrier,))
    same = forward_request_headers(headers, drop=drop, host=b"wb-host", credential=b"authorization: Bearer ours\r\n")
    crossed = crossed_request_headers(headers, drop=drop, asked={}, host=b"wb-host", credential=b"api-key: ours\r\n")
    rpc = rpc_headers(headers, drop, b"authorization: ours\r\n")
    for block in (same, crossed, repr(rpc).encode()):
        assert secret not in block
        assert b"ours" in block
        assert b"00-1-2-00" in block
    assert b"host: wb-host\r\n" in same


@given(
    names=st.lists(st.sampled_from(("key", "api_key", "x", "Key", "access_token")), min_size=1, max_size=3),
    escape=st.sampled_from(
        (str, lambda text: quote(quote(text)), lambda text: "".join(f"%{ord(c):02x}" for c in text))
    ),
    secret=st.sampled_from((KEY, DECLARED)),
)
def test_no_parameter_of_a_query_repeats_a_key_however_it_is_escaped(names, escape, secret) -> None:
    value = escape(secret.decode())
    query = "&".join(["a=1", *(f"{name}={value}" for name in names), value, "b=%20"])
    assert query_kept(query, (secret,)) == "a=1&b=%20"
    assert target_kept(f"/files?{query}", (secret,)) == "/files?a=1&b=%20"
    assert target_kept(f"/files?k={value}", (secret,)) == "/files"


def test_another_key_than_the_one_that_let_the_caller_in_stays_here_too() -> None:
    headers = {b"x-api-key": DECLARED, b"x-other": b"wb-another", b"x-third": b"Bearer " + KEY}
    block = forward_request_headers(headers, drop=frozenset((b"x-api-key",)), host=b"h", credential=b"")
    assert block == b"accept-encoding: identity\r\nhost: h\r\n"
    assert query_kept("key=wb-another&limit=2", (DECLARED,)) == "limit=2"


def test_a_client_that_brings_the_providers_own_key_keeps_it() -> None:
    block = forward_request_headers({b"x-api-key": KEY}, drop=frozenset(), host=b"h", credential=None)
    assert b"x-api-key: " + KEY in block


@pytest.mark.parametrize("value", [b"sawb-1", b"web-1", b"a-wb-1", b"wb", b"text/html", b"on", b"contains on it"])
def test_what_only_resembles_one_passes(value: bytes) -> None:
    assert not reveals(value, (b"tain",))


def test_a_signatures_name_is_the_secret() -> None:
    signed = b"AWS4-HMAC-SHA256 Credential=%b/20260101/us-east-1/bedrock/aws4_request, Signature=00" % DECLARED
    assert shown({b"authorization": signed}, frozenset((b"authorization",))) == (DECLARED,)
    assert shown({b"authorization": b"AWS4-HMAC-SHA256 x"}, frozenset((b"authorization",))) == ()
    assert shown({b"x-api-key": DECLARED}, frozenset()) == ()


@pytest.mark.parametrize("line", [b"authorization: Bearer sk-upstream-1\r\n", b"api-key: sk-upstream-1\r\n"])
def test_what_lets_us_in_is_written_over_wherever_it_is_quoted(line: bytes) -> None:
    said = b'{"error": "sk-upstream-1 is wrong: sk-upstream-1", "version": "2023-06-01"}'
    more = line + b"anthropic-version: 2023-06-01\r\n"
    assert without_own(said, more) == b'{"error": "*** is wrong: ***", "version": "2023-06-01"}'
    assert without_own(said, b"authorization: Bearer sk\r\n") == said
    assert without_own(said, b"") == said
