from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import MalformedRequest
from gateway.core.segments import pointer
from gateway.wire.openai_embeddings.request import parse, segments
from tests.support.incoming import json_incoming


def shown(document: Any) -> list[tuple[str, str, str, str]]:
    return [(pointer(s.path), s.role, s.kind, s.text) for s in segments(document)]


@pytest.mark.parametrize("given_input", ["text", "", ["a", "b"], [1, 2, 3], [[1, 2], [3]]])
def test_every_form_of_input_is_understood(given_input: Any) -> None:
    document = {"model": "text-embedding-3-small", "input": given_input, "encoding_format": "base64"}
    asked = json_incoming("/v1/embeddings", document, query="api-version=2")
    request = parse(asked, document)
    assert (request.dialect, request.operation, request.route) == ("openai_embeddings", "embeddings", "/v1/embeddings")
    assert request.upstream_path == "/embeddings?api-version=2"
    assert request.model == "text-embedding-3-small"
    assert request.document is document
    assert request.body is asked.body
    assert not request.stream


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ([], None),
        ("x", None),
        (None, None),
        ({"input": "x"}, "model"),
        ({"model": "", "input": "x"}, "model"),
        ({"model": 1, "input": "x"}, "model"),
        ({"model": "m"}, "input"),
        ({"model": "m", "input": []}, "input"),
        ({"model": "m", "input": {}}, "input"),
        ({"model": "m", "input": 1}, "input"),
        ({"model": "m", "input": [True]}, "input"),
    ],
)
def test_what_is_no_embeddings_request_is_refused_with_the_field(document: Any, param: str | None) -> None:
    with pytest.raises(MalformedRequest) as refused:
        parse(json_incoming("/v1/embeddings", document), document)
    assert refused.value.param == param


def test_every_string_of_the_input_is_a_segment_of_the_user() -> None:
    assert shown({"model": "m", "input": "one", "encoding_format": "float", "dimensions": 256}) == [
        ("input", "user", "text", "one")
    ]
    assert shown({"model": "m", "input": ["one", "", "two"]}) == [
        ("input[0]", "user", "text", "one"),
        ("input[2]", "user", "text", "two"),
    ]


def test_token_numbers_are_no_text_but_strings_among_them_are() -> None:
    assert shown({"model": "m", "input": [1, 2]}) == []
    assert shown({"model": "m", "input": [[1, 2], [3, "hidden"], "more"]}) == [
        ("input[1][1]", "user", "text", "hidden"),
        ("input[2]", "user", "text", "more"),
    ]


def test_unknown_fields_are_walked_leaf_by_leaf() -> None:
    assert shown({"model": "m", "input": "x", "encoding_format": "smuggled", "user": "u1", "extra": {"k": ["v"]}}) == [
        ("input", "user", "text", "x"),
        ("encoding_format", "", "leaf", "smuggled"),
        ("user", "", "leaf", "u1"),
        ("extra{key}", "", "json_key", "extra"),
        ("extra.k{key}", "", "json_key", "k"),
        ("extra.k[0]", "", "leaf", "v"),
    ]


values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.just("needle"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
)


@given(st.dictionaries(st.sampled_from(["input", "user", "extra", "dimensions"]), values, max_size=4))
def test_no_string_escapes_wherever_it_stands(document: dict[str, Any]) -> None:
    found = sum(segment.text == "needle" for segment in segments(document))
    assert found == orjson.dumps(document).count(b'"needle"')
