from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import MalformedRequest, RouteNotFound
from gateway.wire.passthrough.request import FAMILIES, carries_json, parse, unscanned
from tests.support.incoming import incoming, json_incoming


@pytest.mark.parametrize(
    ("path", "route", "upstream_path"),
    [
        ("/v1/responses", "/v1/responses", "/responses"),
        ("/v1/responses/resp_1/cancel", "/v1/responses/*", "/responses/resp_1/cancel"),
        ("/v1/audio/speech", "/v1/audio/*", "/audio/speech"),
        ("/v1/files/", "/v1/files/*", "/files/"),
        ("/v1/made-up/by/a/client", "/v1/*", "/made-up/by/a/client"),
        ("/v1/", "/v1/*", "/"),
    ],
)
def test_a_path_below_v1_keeps_its_rest_and_gets_a_bounded_route(path: str, route: str, upstream_path: str) -> None:
    request = parse(incoming("GET", path, query="limit=2"), None)
    assert (request.dialect, request.provider, request.route) == ("passthrough", "", route)
    assert request.upstream_path == upstream_path + "?limit=2"


@pytest.mark.parametrize(
    ("path", "provider", "upstream_path"),
    [
        ("/providers/claude/v1/messages", "claude", "/v1/messages"),
        ("/providers/vllm-a.2/", "vllm-a.2", "/"),
        ("/providers/vllm-a", "vllm-a", "/"),
    ],
)
def test_a_path_below_a_provider_names_it(path: str, provider: str, upstream_path: str) -> None:
    request = parse(incoming("GET", path), None)
    assert (request.provider, request.route, request.upstream_path) == (provider, "/providers/{name}/*", upstream_path)


@pytest.mark.parametrize(
    "path", ["/providers/", "/providers//x", "/providers/%41/x", "/providers/-a/x", "/providers/a:b/x"]
)
def test_a_path_that_names_no_provider_is_not_found(path: str) -> None:
    with pytest.raises(RouteNotFound):
        parse(incoming("GET", path), None)


@given(st.text(alphabet="abc/-%.", max_size=20))
def test_routes_are_a_bounded_set(tail: str) -> None:
    route = parse(incoming("GET", "/v1/" + tail), None).route
    assert route == "/v1/*" or route.removeprefix("/v1/").removesuffix("/*") in FAMILIES


def test_model_stream_and_most_tokens_are_read_from_the_top_level() -> None:
    document: Any = {"model": "gpt-4o", "stream": True, "max_output_tokens": 64, "input": {"model": "not this"}}
    request = parse(json_incoming("/v1/responses", document), document)
    assert (request.model, request.stream, request.max_output_tokens) == ("gpt-4o", True, 64)
    assert request.operation == "chat"
    assert request.document is document


@pytest.mark.parametrize(
    "document", [None, [], "x", {}, {"model": 3, "stream": "true", "max_tokens": "9"}, {"max_tokens": 0, "stream": 1}]
)
def test_fields_of_the_wrong_type_count_as_absent(document: Any) -> None:
    request = parse(json_incoming("/v1/rerank", document), document)
    assert (request.model, request.stream, request.max_output_tokens) == ("", False, None)
    assert request.operation == ""


def test_a_stored_answer_can_be_asked_for_as_a_stream() -> None:
    assert parse(incoming("GET", "/v1/responses/r1", query="a=1&stream=true"), None).stream
    assert not parse(incoming("GET", "/v1/responses/r1", query="upstream=true"), None).stream


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        (b"application/json", b"{}", True),
        (b"Application/JSON; charset=UTF-8", b"x", True),
        (b'application/json;charset="utf8"', b"{}", True),
        (b"application/vnd.api+json", b"{}", True),
        (b"text/json", b"[]", True),
        (b"", b' {"a":1}', True),
        (b"", b"[1]", True),
        (b"", b"plain", False),
        (b"application/json", b"", False),
        (b"application/jsonl", b'{"a":1}\n{"a":2}', False),
        (b"application/x-ndjson", b"{}", False),
        (b"multipart/form-data; boundary=json", b"--json", False),
        (b"application/octet-stream", b"{}", False),
    ],
)
def test_the_content_type_says_whether_the_body_is_json(content_type: bytes, body: bytes, *, expected: bool) -> None:
    headers = {b"content-type": content_type} if content_type else {}
    assert carries_json(incoming(body=body, headers=headers)) is expected


@pytest.mark.parametrize(
    "headers",
    [
        {b"content-type": b"application/json; charset=utf-16"},
        {b"content-type": b"application/json;charset=latin-1"},
        {b"content-type": b"application/json", b"content-encoding": b"gzip"},
    ],
)
def test_json_that_others_would_read_differently_is_refused(headers: dict[bytes, bytes]) -> None:
    with pytest.raises(MalformedRequest):
        carries_json(incoming(body=b"{}", headers=headers))


def test_bodies_that_are_not_json_cannot_be_scanned() -> None:
    form = incoming(path="/v1/audio/transcriptions", body=b"--x", headers={b"content-type": b"multipart/form-data"})
    assert unscanned(parse(form, None))
    assert not unscanned(parse(incoming("GET", "/v1/files"), None))
    assert not unscanned(parse(json_incoming("/v1/responses", {}), {}))
