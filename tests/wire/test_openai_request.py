from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.core.errors import MalformedRequest
from gateway.core.exchange import Request
from gateway.wire.openai_request import body_object, read_request, upstream_body
from tests.support.incoming import json_incoming


def read(document: dict[str, Any], query: str = "") -> Request:
    incoming = json_incoming("/v1/x", document, query=query)
    return read_request(incoming, document, dialect="d", operation="o", path="/x")


def test_fields_are_read() -> None:
    document = {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "n": 3,
        "max_completion_tokens": 9,
    }
    request = read(document, "a=1&b=%20")
    assert request.route == "/v1/x"
    assert request.upstream_path == "/x?a=1&b=%20"
    assert (request.stream, request.wants_usage, request.choices, request.max_output_tokens) == (True, True, 3, 9)
    assert request.document is document
    assert orjson.loads(request.body) == document


def test_absent_and_null_fields_have_defaults() -> None:
    nulls = dict.fromkeys(("stream", "stream_options", "n", "max_tokens", "max_completion_tokens"))
    for document in ({"model": "m"}, {"model": "m", **nulls}):
        request = read(document)
        assert request.upstream_path == "/x"
        assert (request.stream, request.wants_usage, request.choices, request.max_output_tokens) == (
            False,
            False,
            1,
            None,
        )


def test_newer_name_of_the_limit_wins_and_a_negative_one_is_none() -> None:
    assert read({"model": "m", "max_tokens": 5, "max_completion_tokens": 7}).max_output_tokens == 7
    assert read({"model": "m", "max_tokens": 5}).max_output_tokens == 5
    assert read({"model": "m", "max_tokens": 0}).max_output_tokens == 0
    assert read({"model": "m", "max_tokens": -1}).max_output_tokens is None


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"model": 4}, "model"),
        ({"stream": "true"}, "stream"),
        ({"stream": 1}, "stream"),
        ({"stream_options": []}, "stream_options"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"n": True}, "n"),
        ({"n": 1.0}, "n"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"max_tokens": 5.5}, "max_tokens"),
        ({"max_completion_tokens": True}, "max_completion_tokens"),
    ],
)
def test_wrong_type_of_a_field_we_act_on_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(MalformedRequest) as caught:
        read({"model": "m", **fields})
    assert caught.value.param == param
    assert param in caught.value.public_message


@pytest.mark.parametrize("document", [None, [], "x", 1])
def test_body_must_be_an_object(document: Any) -> None:
    with pytest.raises(MalformedRequest):
        body_object(document)


def test_body_is_the_clients_own_where_nothing_changes() -> None:
    request = read({"model": "m"})
    assert upstream_body(request, request.document, "") is request.body
    assert upstream_body(request, request.document, "m") is request.body
    asked = read({"model": "m", "stream": True, "stream_options": {"include_usage": True}})
    assert upstream_body(asked, asked.document, "m") is asked.body


@pytest.mark.parametrize("asked", [{}, {"stream_options": None}, {"stream_options": {"include_usage": False}}])
def test_stream_always_asks_for_usage(asked: dict[str, Any]) -> None:
    request = read({"model": "m", "stream": True, **asked})
    sent = orjson.loads(upstream_body(request, request.document, "other"))
    assert sent == {"model": "other", "stream": True, "stream_options": {"include_usage": True}}
    assert not request.wants_usage


def test_edited_document_is_what_is_sent() -> None:
    request = read({"model": "m", "prompt": "secret"})
    edited = {**request.document, "prompt": "[X]"}
    assert orjson.loads(upstream_body(request, edited, "n")) == {"model": "n", "prompt": "[X]"}
    assert orjson.loads(upstream_body(request, edited, "")) == edited
    assert request.document["prompt"] == "secret"
