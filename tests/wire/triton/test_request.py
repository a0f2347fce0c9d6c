from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.core.errors import MalformedRequest
from gateway.wire.triton.request import parse, segments, upstream_body
from tests.support.incoming import json_incoming

PATH = "/v2/models/ensemble/generate_stream"
DOCUMENT: dict[str, Any] = {
    "id": "r-1",
    "text_input": "What is machine learning?",
    "max_tokens": 20,
    "stop_words": ["END"],
    "bad_words": [""],
    "temperature": 0.5,
    "stream": True,
    "lora_name": "mine",
    "parameters": {"temperature": 0, "session": "abc"},
}


def test_what_is_read_of_a_request() -> None:
    request = parse(json_incoming(PATH, DOCUMENT), DOCUMENT)
    assert request.dialect == "triton"
    assert request.model == "ensemble"
    assert request.stream
    assert request.max_output_tokens == 20
    assert request.upstream_path == "/v2/models/{model}/generate_stream"
    assert request.model_in_path
    assert upstream_body(request, DOCUMENT) == request.body
    edited = {**DOCUMENT, "text_input": "[X]"}
    assert orjson.loads(upstream_body(request, edited)) == edited


@pytest.mark.parametrize(
    ("more", "most"),
    [
        ({"max_tokens": [[7]]}, 7),
        ({"request_output_len": 9}, 9),
        ({"sampling_param_max_tokens": 5}, 5),
        ({"parameters": {"max_tokens": 3}}, 3),
        ({"max_tokens": 0}, None),
        ({"max_tokens": "many"}, None),
        ({"parameters": ["max_tokens"]}, None),
    ],
)
def test_the_most_tokens_by_any_of_their_names(more: dict[str, Any], most: int | None) -> None:
    document = {"text_input": "x", **more}
    assert parse(json_incoming(PATH, document), document).max_output_tokens == most


def test_every_text_is_a_segment_and_numbers_are_none() -> None:
    found = [(segment.path, segment.kind, segment.text) for segment in segments(DOCUMENT)]
    assert (("text_input",), "text", "What is machine learning?") in found
    assert (("stop_words", 0), "leaf", "END") in found
    assert (("lora_name",), "leaf", "mine") in found
    assert (("parameters", "session"), "leaf", "abc") in found
    assert "20" not in {text for _, _, text in found}
    many = [segment.text for segment in segments({"text_input": [["one"], "two"]}) if segment.kind == "text"]
    assert many == ["one", "two"]


def test_a_body_that_is_no_object_is_refused() -> None:
    with pytest.raises(MalformedRequest):
        parse(json_incoming(PATH, []), [])
