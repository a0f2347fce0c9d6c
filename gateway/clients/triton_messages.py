"""Triton's messages of gRPC, out of our values and into them.

The official client brings the classes; its package is imported when the first provider needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from gateway.core.errors import InvalidAnswer, Misconfigured
from gateway.wire.triton.raw import Described, Tensor, packed
from gateway.wire.triton.rpc_generate import Parameter, RpcAnswer, RpcCall

PACKAGES = ("grpc", "tritonclient.grpc")
EXTRA = "pip install 'weighbridge[triton]'"
# Where a tensor's values are when they are not raw.
_CONTENTS = {
    "BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents",
    "INT64": "int64_contents", "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents",
    "UINT64": "uint64_contents", "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip


class Messages:
    """The classes of the protocol.

    Attributes:
        grpc: The package.
        aio: Its side for loops.

    Raises:
        Misconfigured: They are not installed.
    """

    def __init__(self) -> None:
        try:
            self.grpc: Any = import_module("grpc")
            self.aio: Any = import_module("grpc.aio")
            self.classes: Any = import_module("tritonclient.grpc.service_pb2")
            self.services: Any = import_module("tritonclient.grpc.service_pb2_grpc")
        except ImportError:
            raise Misconfigured(f"gRPC needs packages that are not installed: {EXTRA}") from None

    def request(self, model: str, version: str, call: RpcCall) -> Any:
        """Write a call as a message."""
        message = self.classes.ModelInferRequest(model_name=model, model_version=version, id=call.id)
        for tensor in call.inputs:
            message.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
            message.raw_input_contents.append(tensor.data)
        for name, classes in call.outputs:
            output = message.outputs.add(name=name)
            if classes:
                output.parameters["classification"].int64_param = classes
        for name, value in call.parameters.items():
            _set(message.parameters[name], value)
        return message

    def response(self, answer: RpcAnswer) -> Any:
        """Write an answer as a message."""
        message = self.classes.ModelInferResponse(
            model_name=answer.model, model_version=answer.version, id=answer.id
        )  # fmt: skip
        for tensor in answer.outputs:
            message.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
            message.raw_output_contents.append(tensor.data)
        for name, value in answer.parameters.items():
            _set(message.parameters[name], value)
        return message


def read_call(message: Any) -> RpcCall:
    """Read a call.

    Raises:
        MalformedRequest: A tensor's values are not of its type.
        InvalidAnswer: It has more raw tensors than tensors.
    """
    return RpcCall(
        id=message.id,
        inputs=_tensors(message.inputs, message.raw_input_contents),
        outputs=tuple((each.name, each.parameters["classification"].int64_param) for each in message.outputs),
        parameters=_parameters(message.parameters),
    )


def read_answer(message: Any) -> RpcAnswer:
    """Read an answer.

    Raises:
        InvalidAnswer: Its tensors and their values do not belong together.
    """
    return RpcAnswer(
        model=message.model_name,
        version=message.model_version,
        id=message.id,
        outputs=_tensors(message.outputs, message.raw_output_contents),
        parameters=_parameters(message.parameters),
    )


def described(tensors: Any) -> dict[str, Described]:
    """Read what a model says of its tensors."""
    return {each.name: Described(each.name, each.datatype, tuple(each.shape)) for each in tensors}


def plain(message: Any) -> Any:
    """Return a message as the JSON values that a server's HTTP side would write."""
    if not hasattr(message, "ListFields"):
        return message
    told: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            told[field.name] = {str(name): plain(each) for name, each in value.items()}
        elif field.is_repeated:
            told[field.name] = [_named(field, each) for each in value]
        else:
            told[field.name] = _named(field, value)
    return told


def _named(field: Any, value: Any) -> Any:
    if field.enum_type is not None:
        found = field.enum_type.values_by_number.get(value)
        return value if found is None else found.name
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else plain(value)


def _tensors(tensors: Any, raw: Any) -> tuple[Tensor, ...]:
    found: list[Tensor] = []
    pieces = iter(raw)
    for each in tensors:
        shape = tuple(each.shape)
        if each.HasField("contents"):
            # Said in the open, value by value.
            values: list[Any] = list(getattr(each.contents, _CONTENTS.get(each.datatype, "bytes_contents")))
            if each.datatype == "BYTES":
                values = [value.decode("utf-8", "replace") for value in values]
            tensor = packed(values, Described(each.name, each.datatype, (-1,)))
            data = tensor.data
        else:
            data = next(pieces, None)
            if data is None:
                raise InvalidAnswer(f"The tensor '{each.name}' has no values.")
        found.append(Tensor(name=each.name, datatype=each.datatype, shape=shape, data=data))
    if next(pieces, None) is not None:
        raise InvalidAnswer("There are values that belong to no tensor.")
    return tuple(found)


def _set(parameter: Any, value: Parameter) -> None:
    if isinstance(value, bool):
        parameter.bool_param = value
    elif isinstance(value, int):
        if value >= 1 << 63:
            parameter.uint64_param = value
        else:
            parameter.int64_param = value
    elif isinstance(value, float):
        parameter.double_param = value
    else:
        parameter.string_param = value


def _parameters(parameters: Any) -> dict[str, Parameter]:
    found: dict[str, Parameter] = {}
    for name, each in parameters.items():
        kind = each.WhichOneof("parameter_choice")
        if kind is not None:
            found[name] = getattr(each, kind)
    return found
