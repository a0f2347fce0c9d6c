from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import InvalidAnswer
from gateway.wire.content_coding import ContentDecoder, decode_content


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


ENCODERS = {
    b"gzip": gzip.compress,
    b"X-Gzip": gzip.compress,
    b" deflate": zlib.compress,
    b"deflate": raw_deflate,
    b"identity": bytes,
    b"": bytes,
}
TEXT = b'{"choices":[{"message":{"content":"weigh, weigh, weigh"}}]}' * 5


@pytest.mark.parametrize("coding", ENCODERS)
def test_whole_body_comes_out_as_it_was_before_coding(coding: bytes) -> None:
    assert decode_content({b"content-encoding": coding}, ENCODERS[coding](TEXT)) == TEXT


@given(
    st.sampled_from(list(ENCODERS)),
    st.binary(max_size=300),
    st.lists(st.integers(1, 40), max_size=12),
    st.integers(1, 3),
)
def test_any_cut_decodes_to_the_same(coding: bytes, data: bytes, sizes: list[int], members: int) -> None:
    encoded = ENCODERS[coding](data)
    if coding.lower().endswith(b"gzip"):
        encoded, data = encoded * members, data * members
    decoder = ContentDecoder(coding)
    out = b""
    for size in sizes:
        out += decoder.feed(encoded[:size])
        encoded = encoded[size:]
    out += decoder.feed(encoded)
    decoder.finish()
    assert out == data


@given(st.sampled_from([b"gzip", b"deflate"]), st.binary(max_size=80))
def test_garbage_raises_only_invalid_answer(coding: bytes, data: bytes) -> None:
    decoder = ContentDecoder(coding)
    try:
        decoder.feed(data)
        decoder.finish()
    except InvalidAnswer:
        return


@pytest.mark.parametrize("coding", [b"br", b"zstd", b"gzip, gzip", b"compress"])
def test_coding_that_nobody_asked_for_is_refused(coding: bytes) -> None:
    with pytest.raises(InvalidAnswer):
        decode_content({b"content-encoding": coding}, b"abc")


def test_empty_body_has_no_coding_to_take_off() -> None:
    assert decode_content({b"content-encoding": b"br"}, b"") == b""
    assert decode_content({}, TEXT) == TEXT


@pytest.mark.parametrize("coding", [b"gzip", b" deflate", b"deflate"])
def test_content_cut_short_is_not_taken_for_whole(coding: bytes) -> None:
    with pytest.raises(InvalidAnswer):
        decode_content({b"content-encoding": coding}, ENCODERS[coding](TEXT)[:-1])


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
def test_bytes_after_the_content_are_refused(coding: bytes) -> None:
    with pytest.raises(InvalidAnswer):
        decode_content({b"content-encoding": coding}, ENCODERS[coding](TEXT) + b"more")


@pytest.mark.parametrize("coding", ENCODERS)
def test_answer_that_grows_beyond_the_bound_is_refused(coding: bytes) -> None:
    whole = ENCODERS[coding](b"0" * 1000)
    decoder = ContentDecoder(coding, max_bytes=1000)
    assert decoder.feed(whole) == b"0" * 1000
    decoder.finish()
    with pytest.raises(InvalidAnswer):
        ContentDecoder(coding, max_bytes=999).feed(whole)


def test_bomb_is_refused_before_it_is_unpacked() -> None:
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(65)) + packer.flush()
    assert len(bomb) < 100_000
    with pytest.raises(InvalidAnswer, match="too large"):
        decode_content({b"content-encoding": b"gzip"}, bomb)


def test_endless_row_of_small_members_is_refused() -> None:
    assert decode_content({b"content-encoding": b"gzip"}, gzip.compress(b"a") * 64) == b"a" * 64
    with pytest.raises(InvalidAnswer, match="too many pieces"):
        decode_content({b"content-encoding": b"gzip"}, gzip.compress(b"a") * 65)
