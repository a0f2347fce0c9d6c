from __future__ import annotations

import pytest

from gateway.core.errors import MalformedRequest
from gateway.wire.triton.paths import is_below, is_generate, read


@pytest.mark.parametrize(
    ("path", "model", "version", "stream"),
    [
        ("/v2/models/ensemble/generate", "ensemble", "", False),
        ("/v2/models/ensemble/generate_stream", "ensemble", "", True),
        ("/v2/models/tensorrt_llm_bls/versions/12/generate_stream", "tensorrt_llm_bls", "12", True),
        ("/v2/models/my%20model/generate", "my model", "", False),
    ],
)
def test_model_version_and_form_are_in_the_path(path: str, model: str, version: str, stream: bool) -> None:
    target = read(path)
    assert (target.model, target.version, target.stream) == (model, version, stream)
    assert is_generate(path)
    assert is_below(path)


def test_the_server_is_asked_for_its_own_name_and_the_same_version() -> None:
    target = read("/v2/models/a/versions/3/generate_stream")
    assert target.upstream("x=1") == "/v2/models/{model}/versions/3/generate_stream?x=1"
    assert target.route == "/v2/models/{model}/generate_stream"
    assert read("/v2/models/a/generate").upstream("") == "/v2/models/{model}/generate"


@pytest.mark.parametrize(
    "path",
    [
        "/v2/models/a/infer",
        "/v2/models/a/versions/x/generate",
        "/v2/models//generate",
        "/v2/models/a/generate/",
        "/v2x",
    ],
)
def test_other_paths_generate_nothing(path: str) -> None:
    assert not is_generate(path)


@pytest.mark.parametrize("name", ["a%2fb", "%2e%2e", "%00"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(MalformedRequest):
        read(f"/v2/models/{name}/generate")
