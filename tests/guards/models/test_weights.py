from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from gateway.clients.onnx_graph import read
from gateway.core.errors import Misconfigured
from gateway.guards.models import weights
from gateway.guards.models.encoder import Encoder
from tests.support.models import small_encoder


def stored(tensors: dict[str, np.ndarray]) -> bytes:
    """A safetensors file."""
    head: dict[str, object] = {"__metadata__": {"format": "pt"}}
    body = b""
    for name, value in tensors.items():
        data = value.astype("<f4").tobytes()
        head[name] = {"dtype": "F32", "shape": value.shape, "data_offsets": (len(body), len(body) + len(data))}
        body += data
    encoded = msgspec.json.encode(head)
    return len(encoded).to_bytes(8, "little") + encoded + body


def as_bert(encoder: Encoder) -> dict[str, np.ndarray]:
    """An encoder under the names that BERT's weights have."""
    kinds = np.full((2, encoder.words.shape[1]), 0.25, dtype=np.float32)
    tensors = {
        "embeddings.word_embeddings.weight": encoder.words,
        "embeddings.position_embeddings.weight": encoder.places - kinds[0],
        "embeddings.token_type_embeddings.weight": kinds,
        "embeddings.LayerNorm.weight": encoder.norm.gain,
        "embeddings.LayerNorm.bias": encoder.norm.bias,
    }
    for number, layer in enumerate(encoder.layers):
        at = f"encoder.layer.{number}"
        for part, weight, bias in zip(
            ("query", "key", "value"),
            np.split(layer.attend.weight, 3, axis=1),
            np.split(layer.attend.bias, 3),
            strict=True,
        ):
            tensors |= {f"{at}.attention.self.{part}.weight": weight.T, f"{at}.attention.self.{part}.bias": bias}
        for part, dense in (
            ("attention.output.dense", layer.attended),
            ("intermediate.dense", layer.widen),
            ("output.dense", layer.narrow),
        ):
            tensors |= {f"{at}.{part}.weight": dense.weight.T, f"{at}.{part}.bias": dense.bias}
        for part, norm in (("attention.output", layer.attended_norm), ("output", layer.narrow_norm)):
            tensors |= {f"{at}.{part}.LayerNorm.weight": norm.gain, f"{at}.{part}.LayerNorm.bias": norm.bias}
    return tensors


def assert_same(one: Encoder, other: Encoder) -> None:
    for a, b in zip(msgspec.to_builtins(one, builtin_types=[np.ndarray])["layers"], other.layers, strict=True):
        for part, value in a.items():
            for field, numbers in value.items():
                assert np.allclose(numbers, getattr(getattr(b, part), field)), (part, field)
    assert np.allclose(one.words, other.words)
    assert np.allclose(one.places, other.places, atol=1e-6)


def test_a_bert_is_read_by_its_names() -> None:
    encoder = small_encoder()
    assert_same(encoder, weights.minilm(weights.safetensors(stored(as_bert(encoder)))))


def test_another_model_is_refused() -> None:
    tensors = as_bert(small_encoder())
    del tensors["encoder.layer.1.output.LayerNorm.bias"]
    with pytest.raises(Misconfigured):
        weights.minilm(tensors)
    with pytest.raises(Misconfigured):
        weights.minilm({"x": np.zeros(3)})


@pytest.mark.parametrize("data", [b"", b"short", b"\xff" * 64, (9).to_bytes(8, "little") + b'{"a":{}}1'])
def test_what_is_no_safetensors_file_is_refused(data: bytes) -> None:
    with pytest.raises(Misconfigured):
        weights.safetensors(data)


def test_4_bit_weights_are_the_numbers_that_onnxruntime_takes_them_for() -> None:
    rng = np.random.default_rng(3)
    inputs, outputs, block = 64, 10, 32
    packed = rng.integers(0, 256, (outputs, inputs // block, block // 2), dtype=np.uint8)
    scales = rng.random((outputs, inputs // block), dtype=np.float32)
    node = helper.make_node(
        *("MatMulNBits", ["x", "packed", "scales"], ["y"]),
        name="m",
        domain="com.microsoft",
        K=inputs,
        N=outputs,
        bits=4,
        block_size=block,
    )
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", inputs])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", outputs])],
        [numpy_helper.from_array(packed, "packed"), numpy_helper.from_array(scales, "scales")],
    )
    domains = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=domains, ir_version=9)
    onnx.checker.check_model(model)
    data = model.SerializeToString()
    exact: Any = onnxruntime.InferenceSession(data).run(None, {"x": np.eye(inputs, dtype=np.float32)})[0]
    nodes, constants = read(data)
    assert np.allclose(weights.from_4_bits(nodes[0], constants), exact, atol=1e-5)
