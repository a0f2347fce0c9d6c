from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.core.errors import InvalidAnswer, MalformedRequest
from gateway.wire.counted_texts import text_bytes
from gateway.wire.triton.raw import Described, packed, unpacked
from gateway.wire.triton.rpc_generate import EMPTY_FINAL, RpcAnswer, RpcCall
from gateway.wire.triton.rpc_infer import read_answer, read_call, write_answer, write_call

ANSWER = RpcAnswer(
    model="m",
    version="3",
    id="7",
    outputs=(
        packed([1.5, 2.5], Described("scores", "FP32", (1, 2))),
        packed(["a"], Described("labels", "BYTES", (1,))),
    ),
    parameters={"triton_final_response": True, "note": "n"},
)


def test_a_document_of_json_alone() -> None:
    document = {
        "id": "7",
        "inputs": [
            {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [[1, 2.5]]},
            {"name": "t", "datatype": "BYTES", "shape": [2], "data": ["a", "b"]},
        ],
        "outputs": [{"name": "scores", "parameters": {"classification": 3}}],
        "parameters": {"priority": 1},
    }
    asked = read_call(orjson.dumps(document), None)
    assert [(each.name, each.shape, unpacked(each)) for each in asked.call.inputs] == [
        ("x", (1, 2), [1.0, 2.5]),
        ("t", (2,), ["a", "b"]),
    ]
    assert (asked.call.outputs, asked.call.parameters, asked.call.id) == ((("scores", 3),), {"priority": 1}, "7")
    body, head = write_answer(ANSWER, asked)
    assert head is None
    assert orjson.loads(body) == {
        "id": "7",
        "model_name": "m",
        "model_version": "3",
        "parameters": {"note": "n"},
        "outputs": [
            {"name": "scores", "datatype": "FP32", "shape": [1, 2], "data": [1.5, 2.5]},
            {"name": "labels", "datatype": "BYTES", "shape": [1], "data": ["a"]},
        ],
    }


@pytest.mark.parametrize(
    ("wanted", "raw"),
    [
        ({"outputs": [{"name": "scores", "parameters": {"binary_data": True}}, {"name": "labels"}]}, {"scores"}),
        ({"parameters": {"binary_data_output": True}}, {"scores", "labels"}),
        (
            {
                "parameters": {"binary_data_output": True},
                "outputs": [{"name": "labels", "parameters": {"binary_data": False}}, {"name": "scores"}],
            },
            {"scores"},
        ),
    ],
)
def test_tensors_behind_the_head_on_both_ways(wanted: dict[str, Any], raw: set[str]) -> None:
    pieces = [text_bytes(["a", "bc"]), b"\1\0\0\0"]
    names = [("t", "BYTES", [2]), ("n", "INT32", [1])]
    inputs = [
        {"name": name, "datatype": kind, "shape": shape, "parameters": {"binary_data_size": len(piece)}}
        for (name, kind, shape), piece in zip(names, pieces, strict=True)
    ]
    head = orjson.dumps({"inputs": inputs, **wanted})
    asked = read_call(b"".join((head, *pieces)), len(head))
    assert [each.data for each in asked.call.inputs] == pieces
    body, length = write_answer(ANSWER, asked)
    assert length is not None
    document = orjson.loads(body[:length])
    sizes = [each.get("parameters", {}).get("binary_data_size", 0) for each in document["outputs"]]
    assert {each["name"] for each in document["outputs"] if "data" not in each} == raw
    assert length + sum(sizes) == len(body)
    behind = [each.data for each in ANSWER.outputs if each.name in raw]
    assert body[length:] == b"".join(behind)


@pytest.mark.parametrize(
    ("document", "behind"),
    [
        ({}, b""),
        ({"inputs": [{"name": "x"}]}, b""),
        ({"inputs": [{"name": "x", "datatype": "FP32", "shape": [3], "data": [1]}]}, b""),
        ({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": ["a"]}]}, b""),
        ({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}]}, b"more"),
        ({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": 9}}]}, b"1234"),
        ({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": -1}}]}, b""),
    ],
)
def test_what_is_no_request(document: Any, behind: bytes) -> None:
    head = orjson.dumps(document)
    with pytest.raises(MalformedRequest):
        read_call(head + behind, len(head))


def test_a_call_is_written_as_it_is_read() -> None:
    tensors = (packed(["ä", ""], Described("t", "BYTES", (-1,))), packed([1.5], Described("n", "FP32", (1,))))
    call = RpcCall(id="7", inputs=tensors, outputs=(("o", 0), ("p", 3)), parameters={"priority": 2})
    asked = read_call(*write_call(call))
    assert asked.call == call
    assert asked.raw == {"o", "p"}
    bare = RpcCall(inputs=tensors, parameters={EMPTY_FINAL: True})
    asked = read_call(*write_call(bare))
    assert asked.call == RpcCall(inputs=tensors)
    assert asked.all_raw


def test_an_answer_is_read_as_it_is_written() -> None:
    outputs = (packed(["a"], Described("t", "BYTES", (1,))), packed([1, 2], Described("n", "INT32", (2,))))
    answer = RpcAnswer(model="m", version="1", id="7", outputs=outputs, parameters={"k": "v"})
    for call in (RpcCall(inputs=()), RpcCall(inputs=(), outputs=(("t", 0),))):
        asked = read_call(*write_call(call))
        assert read_answer(*write_answer(answer, asked)) == answer


@pytest.mark.parametrize("body", [b"", b"{}", b'{"model_name":"m","outputs":[{"name":"a"}]}'])
def test_an_answer_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidAnswer):
        read_answer(body, None)
