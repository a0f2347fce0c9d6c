"""Writes and reads ONNX files with the package ``onnx``, which only ``weighbridge models build`` needs.

A graph is collected node by node and encoded at the end. Nothing here knows a model, and nothing is run.

https://onnx.ai/onnx/intro/concepts.html; operators of onnxruntime's own lie in the domain :data:`CONTRIB`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from numpy.typing import NDArray

from gateway.core.errors import Misconfigured

CONTRIB = "com.microsoft"
# What the operators in use need, and what every onnxruntime since 1.17 reads.
_OPSET, _IR = 20, 9
NO_ONNX = "building models needs the extra [models]: pip install 'weighbridge[models]'"


class Tensor(msgspec.Struct, frozen=True):
    """An input or an output: its element type as onnx calls it, and its shape, with names for what varies."""

    name: str
    kind: str
    shape: tuple[int | str, ...]


class Node(msgspec.Struct, frozen=True):
    """One node of a file that was read."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Any]


Side = tuple["Graph", Sequence[str]]


class Graph:
    """A graph in the making.

    Args:
        name: What the file calls it.
        prefix: What the names in it begin with.

    Raises:
        Misconfigured: The package ``onnx`` is not installed.
    """

    def __init__(self, name: str, prefix: str = "") -> None:
        self._onnx = onnx()
        self._name = name
        self._prefix = prefix
        self._branches = 0
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, value: NDArray[Any]) -> str:
        """Keep a constant and return its name."""
        name = f"{self._prefix}c{len(self._constants)}"
        self._constants.append(self._onnx.numpy_helper.from_array(value, name))
        return name

    def node(self, kind: str, *inputs: str, output: str = "", domain: str = "", **attributes: Any) -> str:
        """Add a node with one output and return the output's name.

        Args:
            kind: The operator.
            inputs: Names of tensors; an empty one leaves an optional input out.
            output: The name of its output, where it must have a certain one.
            domain: Whose operator it is.
            attributes: The operator's own.
        """
        return self.nodes(
            kind, *inputs, outputs=(output or f"{self._prefix}n{len(self._nodes)}",), domain=domain, **attributes
        )[0]

    def nodes(
        self, kind: str, *inputs: str, outputs: Sequence[str], domain: str = "", **attributes: Any
    ) -> Sequence[str]:
        """Add a node with several outputs and return their names."""
        made = self._onnx.helper.make_node(
            kind,
            list(inputs),
            list(outputs),
            name=f"{self._prefix}{kind}{len(self._nodes)}",
            domain=domain,
            **attributes,
        )
        self._nodes.append(made)
        return outputs

    def branch(self) -> Graph:
        """Return a graph for one side of a choice; what is in this one can be used in it."""
        self._branches += 1
        prefix = f"{self._prefix}b{self._branches}"
        return Graph(prefix, f"{prefix}_")

    def choose(self, condition: str, then: Side, otherwise: Side, outputs: Sequence[str]) -> Sequence[str]:
        """Run one of two branches and return the names of the outputs, numbers in 32-bit floating point.

        Args:
            condition: The name of a single ``bool``.
            then: The branch that is run where it holds, and the names of its outputs.
            otherwise: The other one.
            outputs: What the outputs of either are called here.
        """
        sides = {"then_branch": then, "else_branch": otherwise}
        branches = {name: graph.as_branch(made) for name, (graph, made) in sides.items()}
        return self.nodes("If", condition, outputs=outputs, **branches)

    def as_branch(self, outputs: Sequence[str]) -> Any:
        """Return what was collected, as onnx has it."""
        helper = self._onnx.helper
        told = [helper.make_tensor_value_info(name, self._onnx.TensorProto.FLOAT, None) for name in outputs]
        return helper.make_graph(self._nodes, self._name, [], told, self._constants)

    def encode(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> bytes:
        """Return the file."""
        helper = self._onnx.helper
        graph = helper.make_graph(
            self._nodes,
            self._name,
            [self._described(tensor) for tensor in inputs],
            [self._described(tensor) for tensor in outputs],
            self._constants,
        )
        domains = [helper.make_opsetid("", _OPSET), helper.make_opsetid(CONTRIB, 1)]
        model = helper.make_model(graph, opset_imports=domains, ir_version=_IR)
        return model.SerializeToString(deterministic=True)

    def _described(self, tensor: Tensor) -> Any:
        kind = getattr(self._onnx.TensorProto, tensor.kind)
        return self._onnx.helper.make_tensor_value_info(tensor.name, kind, list(tensor.shape))


def onnx() -> Any:
    """Import the package.

    Raises:
        Misconfigured: It is not installed.
    """
    try:
        return importlib.import_module("onnx")
    except ImportError:
        raise Misconfigured(NO_ONNX) from None


def read(data: bytes) -> tuple[list[Node], dict[str, NDArray[Any]]]:
    """Return the nodes and the constants of a file.

    Raises:
        Misconfigured: It is no ONNX file, or the package ``onnx`` is not installed.
    """
    package = onnx()
    broken: type[Exception] = importlib.import_module("google.protobuf.message").DecodeError
    try:
        graph = package.load_from_string(data).graph
    except broken:
        raise Misconfigured("this is no ONNX file") from None
    constants = {item.name: package.numpy_helper.to_array(item) for item in graph.initializer}
    nodes = [
        Node(
            node.op_type,
            node.name,
            tuple(node.input),
            {item.name: package.helper.get_attribute_value(item) for item in node.attribute},
        )
        for node in graph.node
    ]
    return nodes, constants
