from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import MalformedRequest
from gateway.core.segments import replace_leaves, walk_leaves
from gateway.wire.gemini.request import parse, segments, upstream_body, with_model
from gateway.wire.gemini.spelling import snake
from tests.support.gemini_streams import SIGNATURE
from tests.support.incoming import json_incoming

PATH = "/v1beta/models/alias:generateContent"
IMAGE = base64.b64encode(b"\x89PNG" * 80).decode()
DOCUMENT: dict[str, Any] = {
    "systemInstruction": {"parts": [{"text": "be brief"}]},
    "contents": [
        {
            "role": "user",
            "parts": [
                {"text": "look"},
                {"inlineData": {"mimeType": "image/png", "data": IMAGE, "displayName": "cat.png"}},
                {"fileData": {"mimeType": "application/pdf", "fileUri": "https://f.example/a.pdf"}},
            ],
        },
        {
            "role": "model",
            "parts": [
                {"text": "I think", "thought": True, "thoughtSignature": SIGNATURE},
                {"functionCall": {"id": "c-1", "name": "weather", "args": {"city": "Ulm", "days": [1, 2]}}},
                {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
                {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
            ],
        },
        {
            "role": "user",
            "parts": [{"functionResponse": {"id": "c-1", "name": "weather", "response": {"result": "sunny"}}}],
        },
    ],
    "tools": [
        {
            "functionDeclarations": [
                {
                    "name": "weather",
                    "description": "Weather in a city.",
                    "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING", "description": "At"}}},
                }
            ]
        },
        {"googleSearch": {}},
    ],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}},
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    "generationConfig": {"maxOutputTokens": 100, "candidateCount": 2, "stopSequences": ["END"], "temperature": 0.5},
}  # fmt: skip


def snaked(value: Any) -> Any:
    """A document in the other spelling; names in arguments and schemas are not the protocol's."""
    if isinstance(value, list):
        return [snaked(item) for item in value]
    if isinstance(value, dict):
        kept = {"args", "response", "properties"}
        return {snake(name): item if name in kept else snaked(item) for name, item in value.items()}
    return value


EXPECTED = [
    ("system", "text", "be brief", ""),
    ("user", "text", "look", ""),
    ("user", "file_name", "cat.png", ""),
    ("user", "url", "https://f.example/a.pdf", ""),
    ("assistant", "reasoning", "I think", ""),
    ("assistant", "leaf", "c-1", ""),
    ("assistant", "tool_name", "weather", ""),
    ("assistant", "tool_argument", '{"city":"Ulm","days":[1,2]}', "weather"),
    ("assistant", "text", "print(1)", ""),
    ("tool", "tool_result", "1", "code_execution"),
    ("user", "leaf", "c-1", ""),
    ("user", "tool_name", "weather", ""),
    ("tool", "json_key", "result", ""),
    ("tool", "tool_result", "sunny", "weather"),
    ("", "tool_name", "weather", ""),
    ("", "tool_description", "Weather in a city.", ""),
    ("", "tool_description", "At", ""),
    ("", "tool_name", "weather", ""),
    ("", "leaf", "END", ""),
]


@pytest.mark.parametrize("document", [DOCUMENT, snaked(DOCUMENT)], ids=["camel", "snake"])
def test_every_text_is_known_by_speaker_and_kind_in_both_spellings(document: dict[str, Any]) -> None:
    found = [(s.role, s.kind, s.text, s.tool) for s in segments(document) if s.text != "city"]
    assert found == EXPECTED


def test_arguments_are_edited_where_they_stand() -> None:
    found = next(s for s in segments(DOCUMENT) if s.kind == "tool_argument")
    edited = replace_leaves(DOCUMENT, {found.path: found.revised('{"city":"[X]"}')})
    assert edited["contents"][1]["parts"][1]["functionCall"]["args"] == {"city": "[X]"}
    assert edited["contents"][1]["parts"][0] is DOCUMENT["contents"][1]["parts"][0]


def test_text_that_comes_as_data_is_not_media() -> None:
    data = base64.b64encode(b"name,key\n" * 40).decode()
    document = {"contents": [{"parts": [{"inlineData": {"mimeType": "text/csv", "data": data}}]}]}
    assert [(s.kind, s.text) for s in segments(document)] == [("text", data)]
    document["contents"][0]["parts"][0]["inlineData"]["mimeType"] = "image/png"
    assert list(segments(document)) == []


def test_contents_need_no_brackets() -> None:
    document = {"contents": {"parts": {"text": "hi"}}, "systemInstruction": {"parts": {"text": "be"}}}
    assert [(s.role, s.text) for s in segments(document)] == [("user", "hi"), ("system", "be")]
    assert parse(json_incoming(PATH, document), document).model == "alias"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["SECRET", "user", "model", ""]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["contents", "parts", "text", "role", "functionCall", "functionResponse", "name", "args", "response",
             "inline_data", "inlineData", "data", "tools", "thought", "new"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=20,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["contents", "system_instruction", "tools", "new", "generationConfig"]), JSON))
def test_no_text_is_left_out_whatever_the_shape(document: dict[str, Any]) -> None:
    seen = "\n".join(segment.text for segment in segments(document))
    assert seen.count("SECRET") >= sum(leaf.text == "SECRET" for leaf in walk_leaves(document))


def test_what_is_acted_on_is_read() -> None:
    request = parse(json_incoming(PATH, DOCUMENT), DOCUMENT)
    assert (request.model, request.choices, request.max_output_tokens) == ("alias", 2, 100)
    assert (request.stream, request.route) == (False, "/v1beta/models/{model}:generateContent")
    assert (request.upstream_path, request.model_in_path) == ("/models/{model}:generateContent", True)
    snake_config = {"contents": [], "generation_config": {"max_output_tokens": 7}}
    assert parse(json_incoming(PATH, snake_config), snake_config).max_output_tokens == 7


def test_a_stream_is_one_by_its_path() -> None:
    document = {"contents": []}
    request = parse(json_incoming("/v1beta/models/m:streamGenerateContent", document, query="alt=sse"), document)
    assert (request.stream, request.stream_type) == (True, b"")
    array = parse(json_incoming("/v1beta/models/m:streamGenerateContent", document), document)
    assert array.stream_type == b"application/json; charset=UTF-8"


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"contents": 3},
        {"contents": ["text"]},
        {"contents": [], "generationConfig": 3},
        {"contents": [], "generationConfig": {"candidateCount": 0}},
        {"contents": [], "generation_config": {"candidate_count": "2"}},
    ],
)
def test_what_cannot_be_understood_is_refused(document: Any) -> None:
    with pytest.raises(MalformedRequest):
        parse(json_incoming(PATH, document), document)


def test_bytes_stay_as_they_came() -> None:
    request = parse(json_incoming(PATH, DOCUMENT), DOCUMENT)
    assert upstream_body(request, DOCUMENT, "gemini-2.5-flash") is request.body
    edited = {**DOCUMENT, "contents": []}
    assert orjson.loads(upstream_body(request, edited, "")) == edited


def test_a_model_named_in_the_body_is_the_one_of_the_path() -> None:
    document = {
        "model": "models/other",
        "contents": [],
        "generateContentRequest": {"model": "models/other"},
        "requests": [{"model": "models/alias"}, {"model": "tunedModels/x"}, {}],
    }
    request = parse(json_incoming(PATH, document), document)
    assert orjson.loads(upstream_body(request, document, "real")) == {
        "model": "models/real",
        "contents": [],
        "generateContentRequest": {"model": "models/real"},
        "requests": [{"model": "models/real"}, {"model": "tunedModels/real"}, {}],
    }
    assert document["model"] == "models/other"
    same = {"model": "models/alias"}
    assert with_model(same, "alias") is same
