"""What a model's configuration says of how it is to be called."""

from __future__ import annotations

import pytest

from gateway.core.errors import InvalidAnswer
from gateway.wire.triton.raw import Described
from gateway.wire.triton.rpc_config import read_config


def test_a_configuration_is_read() -> None:
    body = (
        b'{"name":"m","max_batch_size":8,"model_transaction_policy":{"decoupled":true},'
        b'"output":[{"name":"text_output","data_type":"TYPE_STRING","dims":["1"]}]}'
    )
    shape = read_config(body)
    assert shape.decoupled
    assert shape.outputs == {"text_output": Described("text_output", "BYTES", (-1, 1))}


def test_what_is_not_said_is_the_servers_default() -> None:
    shape = read_config(b'{"output":[{"name":"o","data_type":"TYPE_FP32","dims":[-1,3]}]}')
    assert not shape.decoupled
    assert shape.outputs == {"o": Described("o", "FP32", (-1, 3))}


@pytest.mark.parametrize("body", [b"", b"[]", b'{"output":1}'])
def test_what_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidAnswer):
        read_config(body)
