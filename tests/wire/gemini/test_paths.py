from __future__ import annotations

import pytest

from gateway.core.errors import AuthenticationFailed, MalformedRequest, MethodNotAllowed
from gateway.wire.gemini import dialect_of
from gateway.wire.gemini.paths import find, is_below, take_key, wants_array
from tests.support.incoming import incoming

VERTEX = "projects/p-1/locations/us-central1/publishers/google/models"


@pytest.mark.parametrize(
    ("path", "model", "method"),
    [
        ("/v1beta/models/gemini-2.5-pro:generateContent", "gemini-2.5-pro", "generateContent"),
        ("/v1/models/gemini-2.5-pro:streamGenerateContent", "gemini-2.5-pro", "streamGenerateContent"),
        ("/gemini/v1beta/models/m:countTokens", "m", "countTokens"),
        ("/v1beta/models/gemini/flash:embedContent", "gemini/flash", "embedContent"),
        ("/v1beta/models/gemini%2Fflash:embedContent", "gemini/flash", "embedContent"),
        ("/v1beta/models/llama3:8b:generateContent", "llama3:8b", "generateContent"),
        (f"/v1beta1/{VERTEX}/gemini-2.5-pro:generateContent", "gemini-2.5-pro", "generateContent"),
        (f"/v1/{VERTEX}/text-embedding@001:predict", "text-embedding@001", "predict"),
        ("/v1beta1/publishers/google/models/m:generateContent", "m", "generateContent"),
        (f"/gemini/v1/{VERTEX}/m:batchEmbedContents", "m", "batchEmbedContents"),
    ],
)
def test_model_and_method_are_in_the_path(path: str, model: str, method: str) -> None:
    target = find(path, "POST")
    assert target is not None
    assert (target.model, target.method, target.collection) == (model, method, "models")
    assert target.route == f"/v1beta/models/{{model}}:{method}"
    assert is_below(path)
    assert dialect_of(incoming(path=path)) is not None


def test_tuned_models_stay_among_theirs() -> None:
    target = find("/v1beta/tunedModels/mine:generateContent", "POST")
    assert target is not None
    assert target.upstream("") == "/tunedModels/{model}:generateContent"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/v1/models/gpt-4o",
        "/v1/models/ft:gpt-4o:acme::7p4lURel",
        "/v1beta/models/m:generateAnswer",
        "/v1beta/models/:generateContent",
        "/v1beta/models/m",
        "/v2/models/m:generateContent",
        "/v1/projects/p/locations/l/models/m:generateContent",
    ],
)
def test_other_paths_are_left_to_others(path: str) -> None:
    assert find(path, "POST") is None


def test_only_post_is_taken() -> None:
    with pytest.raises(MethodNotAllowed):
        find("/v1beta/models/m:generateContent", "GET")
    # A fine-tuned model of another service may be called that.
    assert find("/v1/models/ft:acme:generateContent", "DELETE") is None


@pytest.mark.parametrize("model", ["a/../b", "%2e%2e", "a%0ab", "a//b"])
def test_a_model_leads_nowhere_else(model: str) -> None:
    with pytest.raises(MalformedRequest):
        find(f"/v1beta/models/{model}:generateContent", "POST")


@pytest.mark.parametrize(
    ("query", "upstream"),
    [
        ("", "?alt=sse"),
        ("alt=sse", "?alt=sse"),
        ("key=secret&alt=json&prettyPrint=false", "?prettyPrint=false&alt=sse"),
        ("%6bey=secret&%24alt=json%3Benum-encoding%3Dint", "?alt=sse"),
    ],
)
def test_a_stream_is_always_asked_for_as_events_and_without_the_key(query: str, upstream: str) -> None:
    target = find("/v1beta/models/m:streamGenerateContent", "POST")
    assert target is not None
    assert target.upstream(query) == "/models/{model}:streamGenerateContent" + upstream


def test_the_form_of_a_stream_is_in_the_query() -> None:
    assert wants_array("")
    assert wants_array("alt=json&key=k")
    assert wants_array("$alt=json;enum-encoding=int")
    assert not wants_array("alt=sse")
    with pytest.raises(MalformedRequest):
        wants_array("alt=proto")


def test_the_key_moves_from_the_query_to_its_header() -> None:
    asked = incoming(path="/v1beta/models/m:generateContent", query="a=1&key=wb-%31&alt=sse")
    known = asked.headers
    take_key(asked)
    assert asked.query == "a=1&alt=sse"
    assert asked.headers[b"x-goog-api-key"] == b"wb-1"
    assert b"x-goog-api-key" not in known


@pytest.mark.parametrize("query", ["key=a&key=b", "key=b", "access_token=t", "key=a&oauth_token=t"])
def test_two_credentials_or_one_in_a_form_of_its_own_are_refused(query: str) -> None:
    asked = incoming(query=query, headers={b"x-goog-api-key": b"a"})
    with pytest.raises(AuthenticationFailed):
        take_key(asked)


def test_the_same_key_twice_is_one() -> None:
    asked = incoming(query="key=a", headers={b"x-goog-api-key": b"a"})
    take_key(asked)
    assert (asked.query, asked.headers) == ("", {b"x-goog-api-key": b"a"})
    empty = incoming(query="key=&x=1")
    take_key(empty)
    assert empty.headers == {}


@pytest.mark.parametrize(
    ("path", "below"),
    [
        ("/v1beta/anything", True),
        ("/gemini/x", True),
        ("/v1beta/models/{model}:generateContent", True),
        ("/v1/models/gpt", False),
        ("/v1/models/m:generateContent", True),
        ("/v1/chat/completions", False),
        ("/gemini-like", False),
    ],
)
def test_who_expects_errors_in_googles_form(path: str, below: bool) -> None:
    assert is_below(path) is below
