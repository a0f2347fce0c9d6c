from __future__ import annotations

import pytest

from gateway.core.errors import MalformedRequest, ModelNotFound
from gateway.core.exchange import Request
from gateway.wire.triton.paths import check_own, is_below, is_generate, read


@pytest.mark.parametrize(
    ("path", "model", "version", "stream"),
    [
        ("/v2/models/ensemble/generate", "ensemble", "", False),
        ("/v2/models/ensemble/generate_stream", "ensemble", "", True),
        ("/v2/models/tensorrt_llm_bls/versions/12/generate_stream", "tensorrt_llm_bls", "12", True),
        ("/v2/models/my%20model/generate", "my model", "", False),
        ("/v2/models/openai/gpt-4o/generate_stream", "openai/gpt-4o", "", True),
        ("/v2/models/openai%2Fgpt-4o/versions/1/generate", "openai/gpt-4o", "1", False),
        ("/v2/models/a/versions/x/generate", "a/versions/x", "", False),
        ("/v2/models/generate/generate", "generate", "", False),
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
        "/v2/models//generate",
        "/v2/models/a/generate/",
        "/v2x",
    ],
)
def test_other_paths_generate_nothing(path: str) -> None:
    assert not is_generate(path)


@pytest.mark.parametrize("name", ["a%2f..%2fb", "a/", "%2e%2e", "%00"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(MalformedRequest):
        read(f"/v2/models/{name}/generate")


def test_a_query_is_no_part_of_the_path() -> None:
    assert read("/v2/models/a/infer?x=/generate") == read("/v2/models/a/infer")


def test_a_server_is_not_asked_for_a_name_that_leads_elsewhere() -> None:
    request = Request(
        dialect="kserve", operation="", route="", upstream_path="/v2/models/{model}/config", model_in_path=True
    )
    check_own(request, "a")
    with pytest.raises(ModelNotFound):
        check_own(request, "a/trace/setting")
    gemini = Request(
        dialect="gemini", operation="", route="", upstream_path="/models/{model}:generateContent", model_in_path=True
    )
    check_own(gemini, "a/b")
