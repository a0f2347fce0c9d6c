from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest

from gateway.clients.onnx_graph import CONTRIB, Graph, Tensor, read
from gateway.core.errors import Misconfigured
from tests.support.models import doubling


def test_a_graph_that_was_written_can_be_run() -> None:
    outputs: Any = onnxruntime.InferenceSession(doubling()).run(None, {"x": np.array([1, 2.5], dtype=np.float32)})
    found = outputs[0]
    assert found.tolist() == [2, 5]


def test_the_same_graph_is_the_same_bytes() -> None:
    assert doubling() == doubling()


def test_what_was_written_can_be_read() -> None:
    graph = Graph("g")
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    graph.node("Gelu", graph.node("MatMul", "x", graph.constant(weight)), output="y", domain=CONTRIB)
    graph.nodes("Split", "y", outputs=("a", "b", "c"), axis=-1, num_outputs=3)
    data = graph.encode([Tensor("x", "FLOAT", ("n", 2))], [Tensor("a", "FLOAT", ("n", 1))])
    nodes, constants = read(data)
    assert [(node.kind, node.inputs) for node in nodes] == [
        ("MatMul", ("x", "c0")),
        ("Gelu", ("n0",)),
        ("Split", ("y",)),
    ]
    assert nodes[2].attributes == {"axis": -1, "num_outputs": 3}
    assert np.array_equal(constants["c0"], weight)


def test_what_is_no_onnx_file_is_refused() -> None:
    with pytest.raises(Misconfigured):
        read(b"neither is this")
