from __future__ import annotations

import orjson
import pytest

from gateway.core.errors import GatewayError, MalformedRequest, MethodNotAllowed, NotAvailable
from gateway.wire.gemini.models import MODELS, listed_models, listing_of
from gateway.wire.select import error_dialect, select
from tests.support.incoming import incoming

NAMES = tuple(f"m{number}" for number in range(120))


@pytest.mark.parametrize(
    ("path", "route", "model"),
    [
        ("/v1beta/models", "/v1beta/models", ""),
        ("/gemini/v1beta/models", "/v1beta/models", ""),
        ("/v1beta/models/gemini-x", "/v1beta/models/{model}", "gemini-x"),
        ("/v1beta/models/meta-llama%2Fx", "/v1beta/models/{model}", "meta-llama/x"),
        ("/v1beta/models/meta-llama/x", "/v1beta/models/{model}", "meta-llama/x"),
    ],
)
def test_models_are_asked_for_in_geminis_way(path: str, route: str, model: str) -> None:
    asked = incoming("GET", path, query="key=secret&pageSize=3")
    dialect, request = select(asked)
    assert (dialect, request.route, request.model) == (MODELS, route, model)
    assert asked.headers[b"x-goog-api-key"] == b"secret"
    assert "secret" not in request.upstream_path
    assert b'"status":"' in error_dialect(path).error_body(MalformedRequest("x"), "")


def test_other_paths_stay_what_they_are() -> None:
    assert listing_of(incoming("GET", "/v1beta/models/x:generateContent")) is None
    assert listing_of(incoming("GET", "/v1/models")) is None
    assert listing_of(incoming("GET", "/v1/models", headers={b"x-goog-api-client": b"genai/3"})) is MODELS
    with pytest.raises(NotAvailable):
        select(incoming("GET", "/v1beta/cachedContents"))
    with pytest.raises(MethodNotAllowed):
        select(incoming("POST", "/v1beta/models"))
    for bad in ("/v1beta/models/%ff", "/v1beta/models/../x"):
        with pytest.raises(GatewayError):
            select(incoming("GET", bad))


def test_pages_follow_each_other() -> None:
    seen: list[str] = []
    token = ""
    for _ in range(3):
        status, body = listed_models(NAMES, f"/models?pageSize=50&pageToken={token}")
        document = orjson.loads(body)
        assert status == 200
        seen += [each["name"] for each in document["models"]]
        token = document.get("nextPageToken", "")
    assert token == ""
    assert seen == [f"models/{name}" for name in NAMES]


def test_one_model_is_shown_and_an_unknown_one_is_not_found() -> None:
    status, body = listed_models(NAMES, "/models/m7")
    assert (status, orjson.loads(body)["name"]) == (200, "models/m7")
    status, body = listed_models(NAMES, "/models/nobody")
    assert (status, orjson.loads(body)["error"]["status"]) == (404, "NOT_FOUND")
    assert len(orjson.loads(listed_models(NAMES, "/models?pageSize=x&pageToken=y")[1])["models"]) == 50
