"""What a model's configuration says of how it is to be called by gRPC."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gateway.core.errors import InvalidAnswer
from gateway.wire.triton.raw import Described


class Shape(msgspec.Struct, frozen=True):
    """How a model answers.

    Attributes:
        decoupled: Any number of times a call, so that it is to be streamed.
        outputs: Its tensors.
    """

    decoupled: bool
    outputs: Mapping[str, Described]


class _Policy(msgspec.Struct, frozen=True):
    decoupled: bool = False


class _Output(msgspec.Struct):
    name: str
    data_type: str = ""
    dims: list[int] = []


class _Config(msgspec.Struct):
    max_batch_size: int = 0
    output: list[_Output] = []
    model_transaction_policy: _Policy = _Policy()


def read_config(body: bytes) -> Shape:
    """Read a configuration as a server's HTTP side tells it.

    Raises:
        InvalidAnswer: It is none.
    """
    try:
        said = msgspec.json.decode(body, type=_Config, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidAnswer("The model's configuration cannot be read.") from None
    batch = (-1,) if said.max_batch_size > 0 else ()
    outputs = {each.name: Described(each.name, _datatype(each.data_type), (*batch, *each.dims)) for each in said.output}
    return Shape(said.model_transaction_policy.decoupled, outputs)


def _datatype(said: str) -> str:
    name = said.removeprefix("TYPE_")
    return "BYTES" if name == "STRING" else name
