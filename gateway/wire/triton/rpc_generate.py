"""The generate extension over gRPC: fields of the document as tensors of the model, and tensors as an answer's fields.

A server does the same for its HTTP clients. What no input of the model is called is a parameter of the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from gateway.core.errors import InvalidAnswer, MalformedRequest
from gateway.wire.shapes import is_array, is_integer, is_object, is_text
from gateway.wire.triton.raw import Described, Tensor, packed, shortest, unpacked

# A parameter of a call or an answer.
Parameter = bool | int | float | str
FINAL = "triton_final_response"
# A client wants to be told of the end by a last answer without tensors.
EMPTY_FINAL = "triton_enable_empty_final_response"
_NAMES = ("id", "model_name", "model_version")


class RpcCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call of a model.

    Attributes:
        id: The client's own name for it; empty for none.
        inputs: Its tensors.
        outputs: Names of the tensors that are wanted, and how many classes of each; empty for all.
        parameters: Whatever else steers it.
    """

    id: str = ""
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[tuple[str, int], ...] = ()
    parameters: dict[str, Parameter] = {}


class RpcAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer of a model, or one of many."""

    model: str
    version: str
    id: str = ""
    outputs: tuple[Tensor, ...] = ()
    parameters: dict[str, Parameter] = {}

    @property
    def final(self) -> bool:
        """Whether no other one follows."""
        return self.parameters.get(FINAL) is True


def written_call(document: Any, inputs: Mapping[str, Described]) -> RpcCall:
    """Write a generate document as tensors.

    Args:
        document: The client's, or a bridge's.
        inputs: What the model takes.

    Raises:
        MalformedRequest: A field fits no input and no parameter, and is named.
    """
    if not is_object(document):
        raise MalformedRequest("The body must be a JSON object.")
    held = document.get("parameters")
    given = {**document}
    if is_object(held) and "parameters" not in inputs:
        del given["parameters"]
        given = {**held, **given}
    tensors: list[Tensor] = []
    parameters: dict[str, Parameter] = {}
    name = given.pop("id", "") if "id" not in inputs else ""
    for field, value in given.items():
        described = inputs.get(field)
        if value is None or (described is not None and is_array(value) and not value):
            continue
        if described is not None:
            tensors.append(packed(value, described))
        elif is_text(value) or isinstance(value, float | bool) or is_integer(value):
            parameters[field] = value
        else:
            raise MalformedRequest(f"The model has no input '{field}', and a parameter holds one value.", param=field)
    return RpcCall(id=name if is_text(name) else str(name), inputs=tuple(tensors), parameters=parameters)


def read_answer(answer: RpcAnswer) -> dict[str, Any]:
    """Read an answer as the document that a server would send its HTTP clients."""
    document: dict[str, Any] = {"id": answer.id} if answer.id else {}
    document |= {"model_name": answer.model, "model_version": answer.version}
    document |= {name: value for name, value in answer.parameters.items() if not name.startswith("triton_")}
    for tensor in answer.outputs:
        values = unpacked(tensor)
        document[tensor.name] = values[0] if len(values) == 1 else values
    return document


def read_call(call: RpcCall) -> dict[str, Any]:
    """Read a call as the document that a client of the HTTP side would send.

    Raises:
        InvalidAnswer: A tensor's bytes are not of its type or not as many as its shape says.
    """
    document: dict[str, Any] = {"id": call.id} if call.id else {}
    held = {name: value for name, value in call.parameters.items() if name != EMPTY_FINAL}
    if held:
        document["parameters"] = held
    for tensor in call.inputs:
        values = unpacked(tensor)
        if len(values) == 1 and isinstance(value := values[0], float):
            values = [shortest(value, tensor.datatype)]
        document[tensor.name] = values[0] if len(values) == 1 else values
    return document


def written_answer(document: dict[str, Any], call: RpcCall, outputs: Mapping[str, Described]) -> RpcAnswer:
    """Write an answer of the HTTP side as tensors: those that the call asked for, or all.

    Args:
        document: The answer.
        call: What it answers.
        outputs: What the model gives, as far as that is known.

    Raises:
        InvalidAnswer: A field is not what the model says that it gives.
    """
    wanted = {name for name, _ in call.outputs}
    tensors: list[Tensor] = []
    parameters: dict[str, Parameter] = {}
    for field, value in document.items():
        described = outputs.get(field) or (_guessed(field, value) if field not in _NAMES else None)
        if described is None or value is None:
            continue
        if wanted and field not in wanted:
            continue
        try:
            tensors.append(packed(value, described))
        except MalformedRequest:
            raise InvalidAnswer(f"The server's '{field}' is not what its model gives.") from None
    parameters[FINAL] = False
    told = {name: str(document.get(name, "")) for name in _NAMES[1:]}
    return RpcAnswer(
        model=told["model_name"],
        version=told["model_version"],
        id=call.id,
        outputs=tuple(tensors),
        parameters=parameters,
    )


def _guessed(field: str, value: Any) -> Described | None:
    """Take a field for a tensor of which nothing else is known; only text is sure to be one."""
    return Described(field, "BYTES", (-1,)) if field == "text_output" and is_text(value) else None


def encoded(document: dict[str, Any]) -> bytes:
    """Encode an answer.

    Raises:
        InvalidAnswer: It has what JSON has no form for.
    """
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError:
        raise InvalidAnswer("The server's answer has no JSON form.") from None
