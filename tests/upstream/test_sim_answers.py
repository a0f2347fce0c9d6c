from __future__ import annotations

import base64
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.sim_answers import (
    SimError,
    answer_text,
    embedding,
    inputs,
    instance,
    number,
    prompt_tokens,
    split_model,
    text_of,
    tool_calls,
    words,
)


def chat(model: str, *messages: Any, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": each} for each in messages], **more}


@given(st.text(max_size=60))
def test_joining_the_words_of_a_text_gives_the_text_back(text: str):
    parts = words(text)
    assert "".join(parts) == (text if text.split() else "")
    assert len(parts) == len(text.split())


@pytest.mark.parametrize(
    ("name", "base", "options"),
    [
        ("sim/lorem?tokens=5&delay_ms=2", "lorem", {"tokens": "5", "delay_ms": "2"}),
        ("lorem", "lorem", {}),
        ("sim/", "", {}),
        ("sim/echo?", "echo", {}),
        ("sim/lorem?tokens", "lorem", {}),
    ],
)
def test_a_model_name_carries_its_parameters(name: str, base: str, options: dict[str, str]):
    assert split_model(name) == (base, options)


def test_a_parameter_is_a_number_within_its_bounds_or_its_default():
    assert number({}, "tokens", 3, (1, 100)) == 3
    assert [number({"tokens": text}, "tokens", 3, (1, 100)) for text in ("1", "7", "100")] == [1, 7, 100]


@pytest.mark.parametrize("text", ["", "-1", "x", "1e9", "0", "101", "9" * 10_000])
def test_another_parameter_is_an_error_that_names_it(text: str):
    with pytest.raises(SimError, match="'tokens'") as failed:
        number({"tokens": text}, "tokens", 3, (1, 100))
    assert failed.value.status == 400


def test_echo_repeats_the_last_text_of_the_user():
    document = chat("sim/echo", "first", "last words")
    document["messages"].append({"role": "assistant", "content": "mine"})
    assert answer_text(document) == "last words"
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}, {"type": "text", "text": "b"}]
    assert answer_text(chat("echo", parts)) == "a  b"
    assert answer_text({"model": "sim/echo", "messages": []}) == ""


def test_echo_repeats_a_prompt():
    assert answer_text({"model": "sim/echo", "prompt": ["one", "two"]}) == "one"
    assert answer_text({"model": "sim/echo", "prompt": "one"}) == "one"
    assert answer_text({"model": "sim/echo", "prompt": []}) == ""


def test_lorem_writes_as_many_words_as_it_is_told():
    assert len(answer_text(chat("sim/lorem?tokens=100")).split()) == 100
    assert len(answer_text(chat("sim/lorem")).split()) == 16
    assert answer_text(chat("sim/lorem?tokens=3")) == "lorem ipsum dolor"


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("sim/error?status=429", 429, "sim_error"),
        ("sim/error", 500, "sim_error"),
        ("sim/error?status=700", 400, "invalid_request"),
        ("sim/error?status=204", 400, "invalid_request"),
        ("sim/unknown", 404, "model_not_found"),
        ("", 404, "model_not_found"),
    ],
)
def test_models_that_fail_say_how(model: str, status: int, code: str):
    with pytest.raises(SimError) as failed:
        answer_text(chat(model, "x"))
    assert failed.value.status == status
    error = failed.value.body["error"]
    assert (error["code"], error["type"]) == (code, "server_error" if status >= 500 else "invalid_request_error")


@pytest.mark.parametrize(
    ("document", "tokens"),
    [
        (chat("m", "one two", "three"), 3),
        (chat("m", [{"text": "a b"}, {"text": "c"}]), 3),
        (chat("m", None), 0),
        ({"prompt": "one two"}, 2),
        ({"prompt": ["one two", "three"]}, 3),
        ({"input": [[1, 2, 3]]}, 1),
        ({"input": [1, 2, 3]}, 3),
        ({}, 0),
    ],
)
def test_words_that_go_in_are_counted(document: dict[str, Any], tokens: int):
    assert prompt_tokens(document) == tokens


def test_content_of_any_shape_has_a_text():
    assert (text_of("a"), text_of(None), text_of([{"text": 1}, "x"]), text_of(5)) == ("a", "", "1", "")
    assert (inputs("a"), inputs(["a"])) == (["a"], ["a"])


TOOL = {"type": "function", "function": {"name": "look", "parameters": {"properties": {"q": {"type": "string"}}}}}
OTHER = {"type": "function", "function": {"name": "other"}}


@pytest.mark.parametrize(
    ("choice", "name"),
    [("auto", "look"), ("required", "look"), ({"function": {"name": "other"}}, "other"), ({"function": 1}, "look")],
)
def test_a_tool_is_called_with_arguments_that_fit_it(choice: Any, name: str):
    (call,) = tool_calls(chat("sim/echo", "x", tools=[TOOL, OTHER], tool_choice=choice))
    assert call["function"]["name"] == name
    assert call["function"]["arguments"] == ('{"q":"text"}' if name == "look" else "{}")


def test_no_tool_is_called_when_none_is_wanted_or_one_has_answered():
    assert tool_calls(chat("sim/echo", "x")) == []
    assert tool_calls(chat("sim/echo", "x", tools=[TOOL], tool_choice="none")) == []
    answered = chat("sim/echo", "x", tools=[TOOL])
    answered["messages"].append({"role": "tool", "content": "42"})
    assert tool_calls(answered) == []


KINDS = {"string": str, "integer": int, "number": (int, float), "boolean": bool}
SCHEMAS = st.recursive(
    st.sampled_from([{"type": kind} for kind in KINDS] + [{"type": "integer", "minimum": 3}]),
    lambda inner: st.one_of(
        st.builds(lambda items, least: {"type": "array", "items": items, "minItems": least}, inner, st.integers(0, 1)),
        st.dictionaries(st.text(max_size=3), inner, max_size=3).map(
            lambda each: {"type": "object", "properties": each}
        ),
    ),
    max_leaves=8,
)


def fits(schema: dict[str, Any], value: Any) -> bool:
    kind = schema["type"]
    if kind == "object":
        members = schema["properties"]
        return (
            isinstance(value, dict)
            and value.keys() == members.keys()
            and all(fits(members[name], each) for name, each in value.items())
        )
    if kind == "array":
        return (
            isinstance(value, list)
            and len(value) >= schema["minItems"]
            and all(fits(schema["items"], each) for each in value)
        )
    return isinstance(value, KINDS[kind]) and value >= schema.get("minimum", value)


@given(SCHEMAS)
def test_an_instance_fits_its_schema(schema: dict[str, Any]):
    assert fits(schema, instance(schema))


def test_fixed_values_are_taken_as_they_are():
    assert instance({"const": None}) is None
    assert instance({"enum": ["b", "a"], "type": "string"}) == "b"
    assert instance({"type": ["string", "null"]}) == "text"
    assert instance({"type": "null"}) is None


def test_a_schema_of_any_depth_has_an_instance():
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(500):
        schema = {"type": "object", "properties": {"a": schema}}
    assert isinstance(instance(schema), dict)


@given(st.text(max_size=40), st.integers(1, 64))
def test_an_embedding_is_a_unit_vector_that_depends_on_the_words(text: str, dimensions: int):
    vector = embedding(text, dimensions, encoded=False)
    assert isinstance(vector, list)
    assert len(vector) == dimensions
    length = math.sqrt(sum(x * x for x in vector))
    # Words that cancel each other out leave nothing to bring to length one.
    assert math.isclose(length, 1.0) or length == 0.0
    assert embedding(" ".join(reversed(text.upper().lower().split())), dimensions, encoded=False) == embedding(
        " ".join(text.upper().lower().split()), dimensions, encoded=False
    )


@given(st.text(max_size=40))
def test_an_encoded_embedding_is_the_same_vector_in_single_precision(text: str):
    plain, encoded = embedding(text, 256, encoded=False), embedding(text, 256, encoded=True)
    assert isinstance(encoded, str)
    assert struct.unpack("<256f", base64.b64decode(encoded)) == pytest.approx(plain, abs=1e-6)


def test_different_texts_have_different_embeddings():
    assert embedding("red", 256, encoded=False) != embedding("blue", 256, encoded=False)
