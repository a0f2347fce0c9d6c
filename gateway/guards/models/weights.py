"""Reads the weights of other people's models out of their files, without their frameworks and without pickle."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.clients.onnx_graph import Node, read
from gateway.core.errors import Misconfigured
from gateway.guards.models.encoder import Dense, Encoder, Floats, Layer, Norm

_HEADS = 12
_LENGTH_BYTES = 8
_TYPES = {"F32": "<f4", "I64": "<i8"}
_PART = re.compile(r"/encoder/layer\.(\d+)/(.+)/MatMul")
_NIBBLE_ZERO = 8


class _Entry(msgspec.Struct, frozen=True):
    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


def safetensors(data: bytes) -> dict[str, NDArray[Any]]:
    """Return the tensors of a safetensors file: a length, a JSON head, then the numbers.

    Raises:
        Misconfigured: It is not one.
    """
    try:
        size = int.from_bytes(data[:_LENGTH_BYTES], "little")
        head = msgspec.json.decode(data[_LENGTH_BYTES : _LENGTH_BYTES + size], type=dict[str, msgspec.Raw])
        head.pop("__metadata__", None)
        body = memoryview(data)[_LENGTH_BYTES + size :]
        tensors: dict[str, NDArray[Any]] = {}
        for name, raw in head.items():
            entry = msgspec.json.decode(raw, type=_Entry)
            first, end = entry.data_offsets
            tensors[name] = np.frombuffer(body[first:end], dtype=_TYPES[entry.dtype]).reshape(entry.shape)
    except (msgspec.MsgspecError, KeyError, ValueError):
        raise Misconfigured("this is no safetensors file of numbers") from None
    return tensors


def minilm(tensors: Mapping[str, NDArray[Any]]) -> Encoder:
    """Return the encoder in ``model.safetensors``.

    Args:
        tensors: What :func:`safetensors` read of it.

    Raises:
        Misconfigured: It is another model.
    """
    count = len({name.split(".")[2] for name in tensors if name.startswith("encoder.layer.")})
    matrices = {
        f"{number}/{part}": tensors[f"encoder.layer.{number}.{part.replace('/', '.')}.weight"].T
        for number in range(count)
        for part in _PARTS
        if f"encoder.layer.{number}.{part.replace('/', '.')}.weight" in tensors
    }
    words, places, kinds = (
        tensors.get(f"embeddings.{name}_embeddings.weight") for name in ("word", "position", "token_type")
    )
    return _encoder(tensors, matrices, (words, places, kinds))


def rampart(data: bytes) -> tuple[Encoder, Dense]:
    """Return the encoder and the head in ``model_q4.onnx``, with its 4-bit weights as the numbers that they stand for.

    Raises:
        Misconfigured: It is another model.
    """
    nodes, constants = read(data)
    tensors = {name.removeprefix("bert."): value for name, value in constants.items()}
    matrices: dict[str, Floats] = {}
    head: Floats | None = None
    for node in nodes:
        if node.kind != "MatMulNBits":
            continue
        found = _PART.match(node.name.removeprefix("/bert"))
        if found:
            matrices[f"{found[1]}/{found[2]}"] = from_4_bits(node, constants)
        else:
            head = from_4_bits(node, constants)
    if head is None:
        raise Misconfigured(_FOREIGN)
    tables = tuple(
        _from_8_bits(tensors, f"embeddings.{name}_embeddings") for name in ("word", "position", "token_type")
    )
    return _encoder(tensors, matrices, tables), Dense(head, tensors["classifier.bias"])


_FOREIGN = "this is not the model that it should be"
_QUERY, _KEY, _VALUE = (f"attention/self/{part}" for part in ("query", "key", "value"))
_ATTENDED, _WIDEN, _NARROW = "attention/output/dense", "intermediate/dense", "output/dense"
_PARTS = (_QUERY, _KEY, _VALUE, _ATTENDED, _WIDEN, _NARROW)


def from_4_bits(node: Node, constants: Mapping[str, NDArray[Any]]) -> Floats:
    """Return ``float32[inputs, outputs]`` of blocks of 4-bit numbers around :data:`_NIBBLE_ZERO`, each with a scale."""
    packed, scales = constants[node.inputs[1]], constants[node.inputs[2]]
    outputs, inputs = int(node.attributes["N"]), int(node.attributes["K"])
    pairs = np.stack([packed & 15, packed >> 4], axis=-1).reshape(outputs, -1, int(node.attributes["block_size"]))
    numbers = (pairs.astype(np.float32) - _NIBBLE_ZERO) * scales.reshape(outputs, -1, 1)
    return np.ascontiguousarray(numbers.reshape(outputs, -1)[:, :inputs].T)


def _from_8_bits(tensors: Mapping[str, NDArray[Any]], name: str) -> Floats | None:
    rounded = tensors.get(f"{name}.weight_quantized")
    if rounded is None:
        return None
    zero, scale = tensors[f"{name}.weight_zero_point"], tensors[f"{name}.weight_scale"]
    return (rounded.astype(np.float32) - zero.astype(np.float32)) * scale.astype(np.float32)


def _encoder(
    tensors: Mapping[str, NDArray[Any]],
    matrices: Mapping[str, NDArray[Any]],
    tables: tuple[NDArray[Any] | None, ...],
) -> Encoder:
    words, places, kinds = tables
    if words is None or places is None or kinds is None:
        raise Misconfigured(_FOREIGN)

    def norm(name: str) -> Norm:
        return Norm(_plain(tensors[f"{name}.LayerNorm.weight"]), _plain(tensors[f"{name}.LayerNorm.bias"]))

    def dense(number: int, *parts: str) -> Dense:
        weights = [matrices[f"{number}/{part}"] for part in parts]
        biases = [tensors[f"encoder.layer.{number}.{part.replace('/', '.')}.bias"] for part in parts]
        return Dense(_plain(np.concatenate(weights, axis=1)), _plain(np.concatenate(biases)))

    count = len({name.split("/")[0] for name in matrices})
    try:
        layers = tuple(
            Layer(
                attend=dense(number, _QUERY, _KEY, _VALUE),
                attended=dense(number, _ATTENDED),
                attended_norm=norm(f"encoder.layer.{number}.attention.output"),
                widen=dense(number, _WIDEN),
                narrow=dense(number, _NARROW),
                narrow_norm=norm(f"encoder.layer.{number}.output"),
            )
            for number in range(count)
        )
        first = norm("embeddings")
    except KeyError:
        raise Misconfigured(_FOREIGN) from None
    return Encoder(_plain(words), _plain(places + kinds[0]), first, layers, _HEADS)


def _plain(value: NDArray[Any]) -> Floats:
    return np.ascontiguousarray(value, dtype=np.float32)
