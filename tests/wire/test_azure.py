from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.core.errors import MalformedRequest, MethodNotAllowed, NotAvailable
from gateway.wire.azure import as_openai, bare_of, path_at, plain_of
from gateway.wire.select import error_dialect, select
from tests.support.incoming import incoming, json_incoming

CHAT = "/openai/deployments/my-gpt/chat/completions"
ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("path", "split"),
    [
        (CHAT, ("my-gpt", "/v1/chat/completions")),
        ("/openai/deployments/a%20b/embeddings", ("a b", "/v1/embeddings")),
        ("/openai/deployments/x/completions", ("x", "/v1/completions")),
    ],
)
def test_the_deployment_is_named_in_the_path(path: str, split: tuple[str, str]) -> None:
    assert plain_of(path) == split


@pytest.mark.parametrize(
    "path", ["/openai/deployments/", "/openai/deployments/%ff/completions", "/openai/deployments/%00/x"]
)
def test_what_names_no_deployment_is_refused(path: str) -> None:
    with pytest.raises(MalformedRequest):
        plain_of(path)


def test_what_is_not_built_is_refused() -> None:
    with pytest.raises(NotAvailable):
        plain_of("/openai/deployments/x/images/edits")


@pytest.mark.parametrize("model", [None, "my-gpt", "another"])
def test_the_deployment_is_the_model_whatever_the_body_says(model: str | None) -> None:
    document = ASKED if model is None else {**ASKED, "model": model}
    came = json_incoming(CHAT, document, query="api-version=2024-10-21&x=1")
    plain, read = as_openai(came, document, "my-gpt", "/v1/chat/completions")
    assert (plain.path, plain.query) == ("/v1/chat/completions", "x=1")
    assert read == orjson.loads(plain.body) == {**ASKED, "model": "my-gpt"}
    assert (came.path, document.get("model")) == (CHAT, model)
    assert plain.memo is came.memo


def test_a_client_of_azure_is_understood_as_one_of_openai() -> None:
    dialect, request = select(json_incoming(CHAT, ASKED, query="api-version=2024-10-21"))
    assert (dialect.name, request.route, request.model) == ("openai_chat", "/v1/chat/completions", "my-gpt")
    assert request.upstream_path == "/chat/completions"
    assert orjson.loads(dialect.upstream_body(request, request.document, "")) == {**ASKED, "model": "my-gpt"}
    assert b'"error"' in error_dialect(CHAT).error_body(MalformedRequest("x"), "")
    with pytest.raises(MethodNotAllowed):
        select(incoming("GET", CHAT))
    with pytest.raises(MalformedRequest):
        select(json_incoming(CHAT, []))


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("/chat/completions", "/deployments/my%2Fgpt/chat/completions?api-version=2024-10-21"),
        ("/embeddings?x=1", "/deployments/my%2Fgpt/embeddings?api-version=2024-10-21&x=1"),
        ("/completions?api-version=2020-01-01", "/deployments/my%2Fgpt/completions?api-version=2024-10-21"),
        ("/responses", "/responses?api-version=2024-10-21"),
        ("/models", "/models?api-version=2024-10-21"),
    ],
)
def test_openais_paths_are_written_as_azure_has_them(path: str, written: str) -> None:
    assert path_at(path, "my/gpt", "2024-10-21") == written


@pytest.mark.parametrize(
    ("path", "bare"),
    [
        ("/openai/v1/chat/completions", "/v1/chat/completions"),
        ("/openai/v1/responses/resp_1", "/v1/responses/resp_1"),
        ("/openai/responses", "/v1/responses"),
        ("/openai/models", "/v1/models"),
        ("/openai/deployments", "/v1/deployments"),
        (CHAT, None),
        ("/openai/", None),
        ("/openai/v1/", None),
        ("/v1/models", None),
    ],
)
def test_what_names_no_deployment_is_openais(path: str, bare: str | None) -> None:
    assert bare_of(path) == bare


def test_azures_api_without_versions_is_openais() -> None:
    asked = json_incoming("/openai/v1/chat/completions", {**ASKED, "model": "m"}, query="api-version=preview&x=1")
    dialect, request = select(asked)
    assert (dialect.name, request.route, request.upstream_path) == (
        "openai_chat",
        "/v1/chat/completions",
        "/chat/completions?x=1",
    )
    dialect, request = select(json_incoming("/openai/responses", {"model": "m", "input": "hi"}))
    assert (dialect.name, request.upstream_path) == ("openai_responses", "/responses")
    assert select(incoming("GET", "/openai/models", query="api-version=1"))[0].name == "openai_models"
    assert error_dialect("/openai/v1/responses").name == "openai_responses"
    with pytest.raises(MethodNotAllowed):
        select(incoming("GET", "/openai/v1/chat/completions"))


def test_pictures_and_speech_of_a_deployment_pass_through() -> None:
    dialect, request = select(json_incoming("/openai/deployments/d/images/generations", {"prompt": "a cat"}))
    assert (dialect.name, request.route, request.model) == ("passthrough", "/v1/images/*", "d")
    assert request.upstream_path == "/images/generations"
    assert orjson.loads(request.body) == {"prompt": "a cat", "model": "d"}
