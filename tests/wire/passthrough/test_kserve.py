from __future__ import annotations

import orjson
import pytest

from gateway.core.errors import Bug, ModelNotFound, RouteNotFound
from gateway.wire.passthrough.kserve import KSERVE
from tests.support.incoming import incoming, json_incoming

TENSORS = {"inputs": [{"name": "x", "shape": [1], "datatype": "BYTES", "data": ["hello"]}]}


@pytest.mark.parametrize(
    ("path", "route", "upstream"),
    [
        ("/v2/models/m/infer", "/v2/models/{model}/infer", "/v2/models/{model}/infer"),
        ("/v2/models/m/versions/3/infer", "/v2/models/{model}/infer", "/v2/models/{model}/versions/3/infer"),
        ("/v2/models/m", "/v2/models/{model}", "/v2/models/{model}"),
        ("/v2/models/m/ready", "/v2/models/{model}/ready", "/v2/models/{model}/ready"),
    ],
)
def test_the_model_is_in_the_path_and_the_rest_passes(path: str, route: str, upstream: str) -> None:
    request = KSERVE.parse(json_incoming(path, TENSORS, query="a=1"), TENSORS)
    assert (request.model, request.route, request.upstream_path) == ("m", route, f"{upstream}?a=1")
    assert request.model_in_path
    assert KSERVE.upstream_body(request, TENSORS, "other") == request.body
    assert "hello" in [segment.text for segment in KSERVE.segments(TENSORS)]
    edited = {"inputs": []}
    assert orjson.loads(KSERVE.upstream_body(request, edited, "other")) == edited


@pytest.mark.parametrize("path", ["/v2/models", "/v2/models/m/x", "/v2/health/ready", "/v2/models/%2e%2e/infer"])
def test_other_paths_are_none_of_these(path: str) -> None:
    with pytest.raises(RouteNotFound):
        KSERVE.parse(incoming(path=path), None)


@pytest.mark.parametrize("path", ["/v2", "/v2/repository/index"])
def test_what_a_server_says_of_itself_is_said_of_the_gateway(path: str) -> None:
    request = KSERVE.parse(incoming(path=path), None)
    assert (request.provider, request.route, request.upstream_path) == ("weighbridge", path, path)


def test_an_error_is_one_sentence() -> None:
    assert KSERVE.error_body(ModelNotFound("no such model"), "e") == b'{"error":"no such model"}'
    assert b"secret" not in KSERVE.error_body(Bug("secret"), "e-1")
