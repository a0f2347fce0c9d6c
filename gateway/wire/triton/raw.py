"""Tensors as KServe's protocol sends them raw: little-endian numbers in a row, texts with their length before them.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from math import prod
from typing import Any

import msgspec

from gateway.core.errors import InvalidAnswer, MalformedRequest
from gateway.wire.counted_texts import text_bytes, texts_in
from gateway.wire.shapes import is_array, is_integer, is_text

TEXTS = "BYTES"
# Half of what servers take in one message; and a shape of a few bytes must not stand for gigabytes.
MAX_VALUES = 16_777_216
_NUMBERS = {
    "BOOL": "?", "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q", "UINT8": "B", "UINT16": "H", "UINT32": "I",
    "UINT64": "Q", "FP16": "e", "FP32": "f", "FP64": "d",
}  # fmt: skip
# Types whose numbers look longer than they are when they are told as doubles.
_SHORT = {"FP16": "e", "FP32": "f"}
_MOST_DIGITS = 10
_FLOATS = frozenset({"FP16", "FP32", "FP64"})


class Tensor(msgspec.Struct, frozen=True, kw_only=True):
    """One tensor of a call or an answer. ``data``: raw."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: bytes


class Described(msgspec.Struct, frozen=True):
    """What a model says of one of its tensors. ``shape``: -1 stands for any number."""

    name: str
    datatype: str
    shape: tuple[int, ...]


def packed(value: Any, described: Described) -> Tensor:
    """Make a tensor of a JSON value: one value, or arrays of values.

    Arrays as deep as the shape are taken as they are; flat ones are laid out along the last free dimension.

    Raises:
        MalformedRequest: It does not fit, naming the field.
    """
    name = described.name
    shape, values = _laid_out(value, described)
    try:
        data = _pack(values, described.datatype)
    except (struct.error, OverflowError, TypeError):
        raise MalformedRequest(f"'{name}' must hold {described.datatype} values.", param=name) from None
    return Tensor(name=name, datatype=described.datatype, shape=shape, data=data)


def unpacked(tensor: Tensor) -> list[Any]:
    """Return a tensor's values in a row.

    Raises:
        InvalidAnswer: Its bytes are not of its type or not as many as its shape says.
    """
    count = prod(tensor.shape)
    if not 0 <= count <= MAX_VALUES:
        raise InvalidAnswer(f"The tensor '{tensor.name}' has an impossible shape.")
    if tensor.datatype == TEXTS:
        try:
            values: list[Any] = texts_in(tensor.data)
        except ValueError:
            raise InvalidAnswer(f"The tensor '{tensor.name}' holds no texts.") from None
    else:
        code = _NUMBERS.get(tensor.datatype)
        if code is None:
            raise InvalidAnswer(f"The tensor '{tensor.name}' has the type {tensor.datatype}, which has no JSON form.")
        try:
            values = list(struct.unpack(f"<{count}{code}", tensor.data))
        except struct.error:
            raise InvalidAnswer(f"The tensor '{tensor.name}' is not as long as its shape says.") from None
    if len(values) != count:
        raise InvalidAnswer(f"The tensor '{tensor.name}' is not as long as its shape says.")
    return values


def shortest(value: float, datatype: str) -> float:
    """Give the number with the fewest digits that is this one in a type: 0.7 instead of 0.699999988079071."""
    code = _SHORT.get(datatype)
    if code is None or value.is_integer():
        return value
    packer = struct.Struct(f"<{code}")
    for digits in range(1, _MOST_DIGITS):
        short = float(f"{value:.{digits}g}")
        try:
            if packer.pack(short) == packer.pack(value):
                return short
        except OverflowError:
            # Rounded up out of the type.
            continue
    return value


def _pack(values: Sequence[Any], datatype: str) -> bytes:
    if datatype == TEXTS:
        if not all(map(is_text, values)):
            raise TypeError
        return text_bytes(values)
    code = _NUMBERS.get(datatype)
    if code is None:
        raise TypeError
    if datatype == "BOOL":
        fits = all(value is True or value is False for value in values)
    elif datatype in _FLOATS:
        fits = all(is_integer(value) or isinstance(value, float) for value in values)
    else:
        fits = all(map(is_integer, values))
    if not fits:
        raise TypeError
    return struct.pack(f"<{len(values)}{code}", *values)


def _laid_out(value: Any, described: Described) -> tuple[tuple[int, ...], list[Any]]:
    wanted = described.shape
    found: list[int] = []
    deepest = value
    while is_array(deepest):
        found.append(len(deepest))
        if not deepest:
            break
        deepest = deepest[0]
    values = _flat(value, described.name)
    if len(found) == len(wanted) and prod(found) == len(values):
        fits = all(want in (-1, have) for want, have in zip(wanted, found, strict=True))
        if fits:
            return tuple(found), values
    fixed = prod([size for size in wanted if size != -1])
    free = [at for at, size in enumerate(wanted) if size == -1]
    shape = [1 if size == -1 else size for size in wanted]
    if free and fixed:
        shape[free[-1]] = len(values) // fixed
    if prod(shape) != len(values):
        raise MalformedRequest(
            f"'{described.name}' does not fit the model's shape {list(wanted)}.", param=described.name
        )
    return tuple(shape), values


def _flat(value: Any, name: str) -> list[Any]:
    flat: list[Any] = []
    pending = [value]
    while pending:
        item = pending.pop()
        if is_array(item):
            pending += reversed(item)
        else:
            flat.append(item)
        if len(flat) > MAX_VALUES:
            raise MalformedRequest(f"'{name}' has too many values.", param=name)
    return flat
