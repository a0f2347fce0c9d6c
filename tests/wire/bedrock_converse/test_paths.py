from __future__ import annotations

import pytest

from gateway.core.errors import MalformedRequest
from gateway.wire.bedrock_converse.paths import Target, find, is_below, read
from gateway.wire.request_target import with_model
from tests.support.incoming import incoming

ARN = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-x"


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/model/m/converse", Target("converse", "m")),
        ("/bedrock/model/m/converse-stream", Target("converse-stream", "m")),
        ("/model/a.b-v1%3A0/invoke", Target("invoke", "a.b-v1:0")),
        ("/model/a.b-v1:0/invoke-with-response-stream", Target("invoke-with-response-stream", "a.b-v1:0")),
        ("/model/" + ARN + "/converse", Target("converse", ARN)),
        ("/model/" + ARN.replace(":", "%3A").replace("/", "%2F") + "/converse", Target("converse", ARN)),
    ],
)
def test_paths(path: str, target: Target) -> None:
    assert find(path) == target
    assert read(incoming(path=path)) == target
    assert target.stream == ("stream" in path)
    assert target.converses == ("converse" in path)
    assert is_below(path)


@pytest.mark.parametrize("path", ["/model/m", "/model/m/count-tokens", "/model//converse", "/v1/model/m/converse", "/"])
def test_other_paths(path: str) -> None:
    assert find(path) is None
    assert is_below(path) == path.startswith("/model/")


@pytest.mark.parametrize("name", ["a%0Ab", "a" * 2049, "..%2Fx", "%2E%2E"])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(MalformedRequest):
        read(incoming(path=f"/model/{name}/converse"))


def test_a_name_is_escaped_entirely_as_amazons_clients_do() -> None:
    path = with_model(Target("converse", "x").upstream(""), ARN)
    assert path == "/model/" + ARN.replace(":", "%3A").replace("/", "%2F") + "/converse"
    assert Target("converse", "x").route == "/model/{model}/converse"
