from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from gateway.clients.triton_messages import Messages, described, plain, read_answer, read_call
from gateway.core.errors import InvalidAnswer
from gateway.wire.triton.raw import Described, packed, unpacked
from gateway.wire.triton.rpc_generate import RpcAnswer, RpcCall

service_pb2: Any = Messages().classes
model_config_pb2: Any = import_module("tritonclient.grpc.model_config_pb2")
TENSORS = (packed(["a", "b"], Described("t", "BYTES", (1, 2))), packed([1.5], Described("f", "FP32", (1,))))
PARAMETERS = {"flag": True, "count": -3, "large": (1 << 64) - 1, "share": 0.5, "word": "w"}


def test_calls_and_answers_come_back() -> None:
    messages = Messages()
    call = RpcCall(id="7", inputs=TENSORS, outputs=(("f", 0), ("t", 3)), parameters=PARAMETERS)
    written = messages.request("m", "2", call)
    assert (written.model_name, written.model_version) == ("m", "2")
    assert read_call(type(written).FromString(written.SerializeToString())) == call
    answer = RpcAnswer(model="m", version="2", id="7", outputs=TENSORS, parameters=PARAMETERS)
    assert read_answer(messages.response(answer)) == answer


def test_values_in_the_open_are_read_too() -> None:
    message = service_pb2.ModelInferRequest(model_name="m")
    for name, kind, field, values in (
        ("b", "BOOL", "bool_contents", [True]),
        ("i", "INT8", "int_contents", [-5]),
        ("u", "UINT64", "uint64_contents", [5]),
        ("f", "FP32", "fp32_contents", [0.5]),
        ("t", "BYTES", "bytes_contents", [b"x"]),
    ):
        tensor = message.inputs.add(name=name, datatype=kind, shape=[1])
        getattr(tensor.contents, field).extend(values)
    assert [unpacked(each) for each in read_call(message).inputs] == [[True], [-5], [5], [0.5], ["x"]]


def test_tensors_and_values_must_belong_together() -> None:
    message = service_pb2.ModelInferResponse(model_name="m")
    message.raw_output_contents.append(b"x")
    with pytest.raises(InvalidAnswer):
        read_answer(message)
    message.outputs.add(name="a", datatype="FP32", shape=[1])
    message.outputs.add(name="b", datatype="FP32", shape=[1])
    with pytest.raises(InvalidAnswer):
        read_answer(message)


def test_what_a_server_says_of_a_model_as_json() -> None:
    config = model_config_pb2.ModelConfig(name="m", max_batch_size=4, backend="python")
    config.input.add(name="x", data_type="TYPE_STRING", dims=[-1, 2])
    config.parameters["k"].string_value = "v"
    config.model_transaction_policy.decoupled = True
    assert plain(config) == {
        "name": "m",
        "max_batch_size": 4,
        "backend": "python",
        "input": [{"name": "x", "data_type": "TYPE_STRING", "dims": [-1, 2]}],
        "parameters": {"k": {"string_value": "v"}},
        "model_transaction_policy": {"decoupled": True},
    }


def test_what_a_model_takes() -> None:
    told = service_pb2.ModelMetadataResponse()
    told.inputs.add(name="x", datatype="FP32", shape=[-1, 2])
    assert described(told.inputs) == {"x": Described("x", "FP32", (-1, 2))}
