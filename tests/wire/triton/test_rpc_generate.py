from __future__ import annotations

from typing import Any

import pytest

from gateway.core.errors import InvalidAnswer, MalformedRequest
from gateway.wire.triton.raw import Described, Tensor, packed, unpacked
from gateway.wire.triton.rpc_generate import (
    EMPTY_FINAL,
    RpcAnswer,
    RpcCall,
    encoded,
    read_answer,
    read_call,
    written_answer,
    written_call,
)

# TensorRT-LLM's ensemble, as it describes itself: the first dimension is the batch.
_TYPES = {
    "text_input": ("BYTES", (-1, -1)),
    "max_tokens": ("INT32", (-1, -1)),
    "bad_words": ("BYTES", (-1, -1)),
    "stop_words": ("BYTES", (-1, -1)),
    "end_id": ("INT32", (-1, 1)),
    "pad_id": ("INT32", (-1, 1)),
    "top_k": ("INT32", (-1, 1)),
    "top_p": ("FP32", (-1, 1)),
    "temperature": ("FP32", (-1, 1)),
    "repetition_penalty": ("FP32", (-1, 1)),
    "presence_penalty": ("FP32", (-1, 1)),
    "frequency_penalty": ("FP32", (-1, 1)),
    "random_seed": ("UINT64", (-1, 1)),
    "return_log_probs": ("BOOL", (-1, 1)),
    "beam_width": ("INT32", (-1, 1)),
    "stream": ("BOOL", (-1, 1)),
}
ENSEMBLE = {name: Described(name, *rest) for name, rest in _TYPES.items()}


def test_every_field_of_the_ensemble_becomes_its_tensor() -> None:
    document = {
        "id": "call-1",
        "text_input": "Hi",
        "max_tokens": 5,
        "bad_words": ["a", "b"],
        "stop_words": ["END"],
        "end_id": 2,
        "pad_id": 2,
        "top_k": 40,
        "top_p": 1,
        "temperature": 0.5,
        "repetition_penalty": 1.5,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.25,
        "random_seed": 7,
        "return_log_probs": True,
        "beam_width": 1,
        "stream": True,
    }
    call = written_call(document, ENSEMBLE)
    told = {tensor.name: (tensor.datatype, tensor.shape, unpacked(tensor)) for tensor in call.inputs}
    assert told == {
        "text_input": ("BYTES", (1, 1), ["Hi"]),
        "max_tokens": ("INT32", (1, 1), [5]),
        "bad_words": ("BYTES", (1, 2), ["a", "b"]),
        "stop_words": ("BYTES", (1, 1), ["END"]),
        "end_id": ("INT32", (1, 1), [2]),
        "pad_id": ("INT32", (1, 1), [2]),
        "top_k": ("INT32", (1, 1), [40]),
        "top_p": ("FP32", (1, 1), [1.0]),
        "temperature": ("FP32", (1, 1), [0.5]),
        "repetition_penalty": ("FP32", (1, 1), [1.5]),
        "presence_penalty": ("FP32", (1, 1), [0.0]),
        "frequency_penalty": ("FP32", (1, 1), [0.25]),
        "random_seed": ("UINT64", (1, 1), [7]),
        "return_log_probs": ("BOOL", (1, 1), [True]),
        "beam_width": ("INT32", (1, 1), [1]),
        "stream": ("BOOL", (1, 1), [True]),
    }
    assert (call.id, call.parameters) == ("call-1", {})


def test_what_is_no_input_is_a_parameter_and_what_says_nothing_is_left_out() -> None:
    document = {
        "text_input": "x",
        "stop_words": [],
        "top_k": None,
        "priority": 3,
        "parameters": {"lora": "a", "w": 0.5},
    }
    call = written_call(document, ENSEMBLE)
    assert [tensor.name for tensor in call.inputs] == ["text_input"]
    assert call.parameters == {"priority": 3, "lora": "a", "w": 0.5}


@pytest.mark.parametrize(
    ("document", "field"),
    [({"text_input": 5}, "text_input"), ({"max_tokens": "many"}, "max_tokens"), ({"tools": [1]}, "tools")],
)
def test_what_fits_nothing_is_refused_by_name(document: Any, field: str) -> None:
    with pytest.raises(MalformedRequest) as caught:
        written_call(document, ENSEMBLE)
    assert caught.value.param == field


def test_no_object_is_no_call() -> None:
    with pytest.raises(MalformedRequest):
        written_call(["x"], ENSEMBLE)


def test_an_answer_reads_as_on_the_http_side() -> None:
    outputs = (
        packed(["Hello"], Described("text_output", "BYTES", (1, 1))),
        packed([-0.5, -0.25], Described("output_log_probs", "FP32", (1, 1, 2))),
        packed(0, Described("sequence_index", "INT32", (1,))),
    )
    answer = RpcAnswer(
        model="ensemble",
        version="1",
        id="call-1",
        outputs=outputs,
        parameters={"triton_final_response": True, "sequence_id": 0, "sequence_end": False},
    )
    assert answer.final
    assert read_answer(answer) == {
        "id": "call-1",
        "model_name": "ensemble",
        "model_version": "1",
        "sequence_id": 0,
        "sequence_end": False,
        "text_output": "Hello",
        "output_log_probs": [-0.5, -0.25],
        "sequence_index": 0,
    }


def test_an_answer_without_a_json_form() -> None:
    with pytest.raises(InvalidAnswer):
        encoded({"x": b"raw"})
    answer = RpcAnswer(model="m", version="1", outputs=(Tensor(name="t", datatype="BF16", shape=(1,), data=b"\0\0"),))
    assert not answer.final
    with pytest.raises(InvalidAnswer):
        read_answer(answer)


def test_a_call_is_read_as_its_document() -> None:
    tensors = (
        packed(["Hi"], Described("text_input", "BYTES", (1,))),
        packed(["a", "b"], Described("stop", "BYTES", (-1,))),
    )
    call = RpcCall(id="7", inputs=tensors, parameters={"priority": 1, EMPTY_FINAL: True})
    assert read_call(call) == {
        "id": "7",
        "parameters": {"priority": 1},
        "text_input": "Hi",
        "stop": ["a", "b"],
    }


def test_an_answers_fields_are_tensors_of_the_model() -> None:
    outputs = {"text_output": Described("text_output", "BYTES", (1,)), "n": Described("n", "INT32", (-1,))}
    document = {"model_name": "m", "model_version": "1", "text_output": "Hi", "n": [1, 2], "else": True}
    answer = written_answer(document, RpcCall(id="7"), outputs)
    assert (answer.model, answer.version, answer.id, answer.final) == ("m", "1", "7", False)
    assert answer.outputs == (packed(["Hi"], outputs["text_output"]), packed([1, 2], outputs["n"]))
    wanted = written_answer(document, RpcCall(outputs=(("n", 0),)), outputs)
    assert [each.name for each in wanted.outputs] == ["n"]
    # Of a model that no server describes, what is said is known to be text.
    assert [each.name for each in written_answer(document, RpcCall(), {}).outputs] == ["text_output"]
    with pytest.raises(InvalidAnswer, match="'n'"):
        written_answer({**document, "n": "x"}, RpcCall(), outputs)
