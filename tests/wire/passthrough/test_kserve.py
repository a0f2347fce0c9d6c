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


@pytest.mark.parametrize(
    "path",
    ["/v2/models", "/v2/models//infer", "/v2/models/a/../b/infer", "/v2/health/ready", "/v2/models/%2e%2e/infer"],
)
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


@pytest.mark.parametrize("path", ["/v2/models/openai/gpt-4o/infer", "/v2/models/openai%2Fgpt-4o/infer"])
def test_names_may_hold_slashes(path: str) -> None:
    assert KSERVE.parse(json_incoming(path, TENSORS), TENSORS).model == "openai/gpt-4o"


def test_what_a_model_of_text_is_asked_is_known() -> None:
    document = {
        "inputs": [
            {"name": "text_input", "shape": [1], "datatype": "BYTES", "data": ["hello"]},
            {"name": "max_tokens", "shape": [1, 1], "datatype": "INT32", "data": [[9]]},
            {"name": ["odd"], "shape": [1], "datatype": "BYTES", "data": ["x"]},
        ]
    }
    request = KSERVE.parse(json_incoming("/v2/models/m/infer", document), document)
    assert (request.operation, request.max_output_tokens, request.describes) == ("text_completion", 9, False)
    assert [(each.role, each.text) for each in KSERVE.segments(document) if each.kind == "text"] == [("user", "hello")]
    raw = {"inputs": [document["inputs"][0], {"name": "max_tokens", "raw": b"\x07\0\0\0"}]}
    assert KSERVE.parse(json_incoming("/v2/models/m/infer", document), raw).max_output_tokens == 7
    asked = KSERVE.parse(incoming(path="/v2/models/m/config"), None)
    assert (asked.operation, asked.describes) == ("", True)


def test_tokens_of_an_edited_text_are_left_out() -> None:
    outputs = [{"name": "text_output", "data": ["a"]}, {"name": "output_log_probs", "data": [-0.5]}, {"name": []}]
    document = {"model_name": "m", "outputs": outputs}
    assert KSERVE.strip_repeats(document, set()) is document
    left = KSERVE.strip_repeats(document, {("outputs", 0, "data", 0)})
    assert left["outputs"] == [outputs[0], outputs[2]]
    assert KSERVE.read_answer(document).model_served == "m"
