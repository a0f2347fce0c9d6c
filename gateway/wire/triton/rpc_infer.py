"""``/infer`` documents as calls and answers: JSON, with tensors raw behind it where sender and receiver agree on that.

https://github.com/kserve/open-inference-protocol, with Triton's extension for binary tensors.
"""

from __future__ import annotations

from math import prod
from typing import Any

import msgspec
import orjson

from gateway.core.errors import InvalidAnswer, MalformedRequest
from gateway.wire.counted_texts import RAW, texts_in
from gateway.wire.strict_json import parse_body
from gateway.wire.triton.raw import TEXTS, Described, Tensor, packed, unpacked
from gateway.wire.triton.rpc_generate import EMPTY_FINAL, Parameter, RpcAnswer, RpcCall

HEAD_LENGTH = b"inference-header-content-length"
_SIZE = "binary_data_size"
_RAW = "binary_data"
_ALL_RAW = "binary_data_output"


class _Tensor(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Parameter] = {}
    data: Any = None


class _Output(msgspec.Struct):
    name: str
    parameters: dict[str, Parameter] = {}


class _Call(msgspec.Struct):
    inputs: list[_Tensor]
    id: str = ""
    outputs: list[_Output] = []
    parameters: dict[str, Parameter] = {}


class _Answer(msgspec.Struct):
    model_name: str
    outputs: list[_Tensor]
    model_version: str = ""
    id: str = ""
    parameters: dict[str, Parameter] = {}


class Asked(msgspec.Struct, frozen=True):
    """A call, and how its answer is wanted: names of outputs that are to be raw, or all of them."""

    call: RpcCall
    raw: frozenset[str]
    all_raw: bool


def read_call(body: bytes, head_bytes: int | None) -> Asked:
    """Read a request.

    Args:
        body: As it came.
        head_bytes: How much of it is JSON, where raw tensors follow.

    Raises:
        MalformedRequest: It is none, naming what is wrong.
    """
    head = body if head_bytes is None else body[:head_bytes]
    said = _said(parse_body(head))
    return _asked(said, _tensors(said.inputs, body, len(head)))


def asked_in(document: Any) -> Asked:
    """Read a request that was taken apart already: what lay raw behind it is in its tensors, as bytes.

    Raises:
        MalformedRequest: It is none, naming what is wrong.
    """
    said = _said(document)
    return _asked(said, tuple(map(_held, said.inputs, document["inputs"])))


def _held(said: _Tensor, given: Any) -> Tensor:
    raw = given.get(RAW)
    if not isinstance(raw, bytes):
        return _packed(said)
    if said.datatype == TEXTS:
        try:
            texts_in(raw)
        except ValueError:
            raise MalformedRequest(f"The tensor '{said.name}' holds no texts.", param=said.name) from None
        return _packed(said)
    return Tensor(name=said.name, datatype=said.datatype, shape=tuple(said.shape), data=raw)


def _said(document: Any) -> _Call:
    try:
        return msgspec.convert(document, _Call)
    except msgspec.ValidationError as error:
        raise MalformedRequest(f"The request cannot be read: {error}.") from None


def _asked(said: _Call, tensors: tuple[Tensor, ...]) -> Asked:
    outputs = tuple((each.name, _classes(each)) for each in said.outputs)
    all_raw = said.parameters.get(_ALL_RAW) is True
    raw = frozenset(each.name for each in said.outputs if each.parameters.get(_RAW, all_raw) is True)
    parameters = {name: value for name, value in said.parameters.items() if name != _ALL_RAW}
    call = RpcCall(id=said.id, inputs=tensors, outputs=outputs, parameters=parameters)
    return Asked(call, raw, all_raw and not said.outputs)


def write_answer(answer: RpcAnswer, asked: Asked) -> tuple[bytes, int | None]:
    """Write an answer.

    Returns:
        The body, and how much of it is JSON when raw tensors follow.
    """
    outputs: list[dict[str, Any]] = []
    behind: list[bytes] = []
    for tensor in answer.outputs:
        told: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
        if asked.all_raw or tensor.name in asked.raw:
            told["parameters"] = {_SIZE: len(tensor.data)}
            behind.append(tensor.data)
        else:
            told["data"] = unpacked(tensor)
        outputs.append(told)
    document: dict[str, Any] = {"id": answer.id} if answer.id else {}
    document |= {"model_name": answer.model, "model_version": answer.version}
    shown = {name: value for name, value in answer.parameters.items() if not name.startswith("triton_")}
    if shown:
        document["parameters"] = shown
    head = orjson.dumps({**document, "outputs": outputs})
    return b"".join((head, *behind)), len(head) if behind else None


def write_call(call: RpcCall) -> tuple[bytes, int]:
    """Write a call whose tensors, and those of its answer, are raw.

    Returns:
        The body, and how much of it is JSON.
    """
    parameters = {name: value for name, value in call.parameters.items() if name != EMPTY_FINAL}
    document: dict[str, Any] = {"id": call.id} if call.id else {}
    if call.outputs:
        document["outputs"] = [
            {"name": name, "parameters": {_RAW: True, **({"classification": classes} if classes else {})}}
            for name, classes in call.outputs
        ]
    else:
        parameters[_ALL_RAW] = True
    if parameters:
        document["parameters"] = parameters
    document["inputs"] = [
        {"name": each.name, "datatype": each.datatype, "shape": each.shape, "parameters": {_SIZE: len(each.data)}}
        for each in call.inputs
    ]
    head = orjson.dumps(document)
    return b"".join((head, *(each.data for each in call.inputs))), len(head)


def read_answer(body: bytes, head_bytes: int | None) -> RpcAnswer:
    """Read an answer, raw tensors behind it or none.

    Raises:
        InvalidAnswer: It is none.
    """
    head = body if head_bytes is None else body[:head_bytes]
    try:
        said = msgspec.json.decode(head, type=_Answer)
        outputs = _tensors(said.outputs, body, len(head))
    except (msgspec.DecodeError, UnicodeDecodeError, MalformedRequest):
        raise InvalidAnswer("The server's answer cannot be read.") from None
    return RpcAnswer(
        model=said.model_name, version=said.model_version, id=said.id, outputs=outputs, parameters=said.parameters
    )


def _tensors(said: list[_Tensor], body: bytes, at: int) -> tuple[Tensor, ...]:
    tensors: list[Tensor] = []
    for each in said:
        size = each.parameters.get(_SIZE)
        if isinstance(size, int) and not isinstance(size, bool):
            if size < 0 or at + size > len(body):
                raise MalformedRequest(f"The tensor '{each.name}' is cut short.", param=each.name)
            data = body[at : at + size]
            at += size
            tensors.append(Tensor(name=each.name, datatype=each.datatype, shape=tuple(each.shape), data=data))
        else:
            tensors.append(_packed(each))
    if at != len(body):
        raise MalformedRequest("The request has bytes that belong to no tensor.")
    return tuple(tensors)


def _packed(said: _Tensor) -> Tensor:
    tensor = packed(said.data, Described(said.name, said.datatype, (-1,)))
    if prod(said.shape) != prod(tensor.shape):
        raise MalformedRequest(f"The tensor '{said.name}' is not as long as its shape says.", param=said.name)
    return msgspec.structs.replace(tensor, shape=tuple(said.shape))


def _classes(output: _Output) -> int:
    count = output.parameters.get("classification", 0)
    return count if isinstance(count, int) else 0
