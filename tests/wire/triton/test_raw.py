from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import InvalidAnswer, MalformedRequest
from gateway.wire.counted_texts import text_bytes
from gateway.wire.triton.raw import Described, Tensor, packed, shortest, unpacked


@pytest.mark.parametrize(
    ("value", "shape", "laid_out"),
    [
        (5, (1,), (1,)),
        (5, (-1, 1), (1, 1)),
        ([5, 6], (-1, 1), (2, 1)),
        ([5, 6], (-1, -1), (1, 2)),
        ([[5, 6], [7, 8]], (-1, 2), (2, 2)),
        ([[5], [6]], (-1,), (2,)),
        (5, (), ()),
    ],
)
def test_values_are_laid_out_as_the_model_takes_them(
    value: Any, shape: tuple[int, ...], laid_out: tuple[int, ...]
) -> None:
    tensor = packed(value, Described("n", "INT32", shape))
    assert tensor.shape == laid_out
    assert unpacked(tensor) == sorted(unpacked(tensor))


@pytest.mark.parametrize(
    ("datatype", "values"),
    [
        ("BOOL", [True, False]),
        ("INT8", [-128, 127]),
        ("INT16", [-1, 300]),
        ("INT32", [1, -7]),
        ("INT64", [1 << 62]),
        ("UINT8", [255]),
        ("UINT16", [65535]),
        ("UINT32", [1 << 31]),
        ("UINT64", [(1 << 64) - 1]),
        ("FP16", [0.5, -2.0]),
        ("FP32", [0.25]),
        ("FP64", [0.1]),
        ("BYTES", ["", "a", "é\n"]),
    ],
)
def test_every_type_comes_back(datatype: str, values: list[Any]) -> None:
    assert unpacked(packed(values, Described("n", datatype, (-1,)))) == values


@pytest.mark.parametrize(
    ("value", "datatype", "shape"),
    [
        ("x", "INT32", (1,)),
        (1.5, "INT32", (1,)),
        (True, "INT32", (1,)),
        (300, "INT8", (1,)),
        (1e300, "FP32", (1,)),
        (1, "BOOL", (1,)),
        (1, "BYTES", (1,)),
        ("x", "BF16", (1,)),
        (None, "FP32", (1,)),
        ({"a": 1}, "FP32", (1,)),
        ([1, 2, 3], "INT32", (-1, 2)),
        ([1, 2], "INT32", (1,)),
        ([], "INT32", (1,)),
        (1, "INT32", (0,)),
    ],
)
def test_what_does_not_fit_is_refused_by_name(value: Any, datatype: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(MalformedRequest, match="'field'") as caught:
        packed(value, Described("field", datatype, shape))
    assert caught.value.param == "field"


@pytest.mark.parametrize(
    "tensor",
    [
        Tensor(name="t", datatype="INT32", shape=(2,), data=b"\0" * 7),
        Tensor(name="t", datatype="INT32", shape=(-1,), data=b""),
        Tensor(name="t", datatype="INT32", shape=(1 << 40,), data=b""),
        Tensor(name="t", datatype="BF16", shape=(1,), data=b"\0\0"),
        Tensor(name="t", datatype="BYTES", shape=(2,), data=text_bytes(["a"])),
        Tensor(name="t", datatype="BYTES", shape=(1,), data=b"\5\0\0\0ab"),
        Tensor(name="t", datatype="BYTES", shape=(1,), data=b"\1\0\0"),
        Tensor(name="t", datatype="BYTES", shape=(1,), data=b"\1\0\0\0\xff"),
    ],
)
def test_what_a_server_must_not_send(tensor: Tensor) -> None:
    with pytest.raises(InvalidAnswer):
        unpacked(tensor)


@given(st.floats(width=32, allow_nan=False))
def test_a_number_is_told_as_short_as_it_is(value: float) -> None:
    short = shortest(value, "FP32")
    assert struct.pack("<f", short) == struct.pack("<f", value)
    assert len(repr(short)) <= len(repr(value))


def test_as_people_write_them() -> None:
    assert [shortest(struct.unpack("<f", struct.pack("<f", each))[0], "FP32") for each in (0.7, 1e-9)] == [0.7, 1e-9]
    assert shortest(struct.unpack("<e", struct.pack("<e", 0.9))[0], "FP16") == 0.9
    assert shortest(65504.0, "FP16") == 65504.0
    assert shortest(0.1 + 0.2, "FP64") == 0.1 + 0.2
