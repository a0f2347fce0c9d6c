from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.core.errors import NotAvailable
from gateway.wire.triton.described import INPUTS, OUTPUTS, described
from gateway.wire.triton.rpc_config import read_config


def told(path: str) -> Any:
    status, body = described("openai/gpt", path)
    assert status == 200
    return orjson.loads(body)


@pytest.mark.parametrize("path", ["/v2/models/{model}", "/v2/models/{model}/versions/1?x=1"])
def test_what_it_takes_and_gives(path: str) -> None:
    document = told(path)
    assert document["name"] == "openai/gpt"
    assert document["versions"] == ["1"]
    assert document["inputs"][0] == {"name": "text_input", "datatype": "BYTES", "shape": [1]}
    assert [each["name"] for each in document["outputs"]] == list(OUTPUTS)


def test_its_configuration_is_one_of_a_model_that_may_answer_often() -> None:
    status, body = described("m", "/v2/models/{model}/config")
    assert (status, read_config(body)) == (200, read_config(body))
    assert read_config(body).decoupled
    assert read_config(body).outputs == OUTPUTS
    held = orjson.loads(body)["input"]
    assert [each["name"] for each in held if not each.get("optional")] == ["text_input"]
    assert len(held) == len(INPUTS)


def test_it_is_ready_in_its_one_version() -> None:
    assert described("m", "/v2/models/{model}/ready") == (200, b"")
    assert described("m", "/v2/models/{model}/versions/1/ready") == (200, b"")
    assert described("m", "/v2/models/{model}/versions/2/ready")[0] == 400
    assert described("m", "/v2/models/{model}/versions/2")[0] == 404


def test_nobody_keeps_its_statistics() -> None:
    with pytest.raises(NotAvailable):
        described("m", "/v2/models/{model}/stats")
