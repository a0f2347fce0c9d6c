from contextlib import suppress

import pytest
from google.protobuf.descriptor_pb2 import UninterpretedOption
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire import protobuf as pb


@given(st.integers(0, 2**64 - 1))
def test_a_varint_is_read_as_it_was_written(value):
    assert pb.fields(pb.tag(1, pb.VARINT) + pb.varint(value)) == {1: value}


@given(st.integers(0, 2**64 - 1), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.binary(max_size=300))
def test_the_official_reader_finds_what_was_written(positive, signed, real, data):
    written = b"".join(
        (
            pb.tag(4, pb.VARINT) + pb.varint(positive),
            pb.tag(5, pb.VARINT) + pb.signed(signed),
            pb.tag(6, pb.FIXED64) + pb.double(real),
            pb.tag(7, pb.LENGTH) + pb.block(data),
        )
    )
    read = UninterpretedOption.FromString(written)
    assert (read.positive_int_value, read.negative_int_value) == (positive, signed)
    assert (read.double_value, read.string_value) == (real, data)


def test_numbers_too_large_are_cut_down():
    assert pb.signed(2**70) == pb.signed(2**63 - 1)
    assert pb.signed(-(2**70)) == pb.signed(-(2**63))


@given(st.binary(max_size=80))
def test_garbage_is_told_from_a_message(data):
    with suppress(pb.Unreadable):
        assert isinstance(pb.fields(data), dict)


@pytest.mark.parametrize("data", [b"\x80", b"\x0a\x05abc", b"\x09abc", b"\x0b", b"\x08" + b"\xff" * 11])
def test_what_is_cut_or_of_no_kind_is_unreadable(data):
    with pytest.raises(pb.Unreadable):
        pb.fields(data)
