from __future__ import annotations

import copy
import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import MalformedRequest
from gateway.wire.patch import ask_usage, asks_usage, dump, edited, patched, set_model

# Texts that look like the keys that are patched, from inside strings, keys and escapes.
TEXTS = st.one_of(
    st.sampled_from(
        ['"model"', '\\"model":"x"', "model", "{", '"stream_options":', "mod\u0065l", "é", '\\u0065"', "m/o"]
    ),
    st.text(max_size=12),
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), TEXTS)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3))
OPTIONS = st.one_of(st.none(), st.dictionaries(TEXTS | st.just("include_usage"), LEAVES, max_size=2))


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, dict[str, Any]]:
    """A request and one of the ways to spell it."""
    document = draw(st.dictionaries(TEXTS, VALUES, max_size=4))
    document["model"] = draw(TEXTS.filter(bool))
    if draw(st.booleans()):
        document["stream_options"] = draw(OPTIONS)
    names = draw(st.permutations(list(document)))
    document = {name: document[name] for name in names}
    text = json.dumps(
        document,
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, 2])),
        separators=draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,", " : ")])),
    )
    if draw(st.booleans()):
        text = text.replace('"model"', '"\\u006dodel"', 1)
    return draw(st.sampled_from([b"", b"\r\n\t "])) + text.encode("utf-8", "surrogatepass"), document


@given(bodies(), TEXTS.filter(bool), st.booleans())
def test_patched_bytes_are_the_patched_document(body: tuple[bytes, dict[str, Any]], model: str, usage: bool) -> None:
    data, document = body
    before = copy.deepcopy(document)
    options = document.get("stream_options") or {}
    expected = {**document, "model": model}
    if usage:
        expected["stream_options"] = {**options, "include_usage": True}
    assert orjson.loads(patched(data, document, model=model, usage=usage)) == expected
    assert edited(document, model=model, usage=usage) == expected
    assert orjson.loads(set_model(data, document, model)) == {**document, "model": model}
    asked = orjson.loads(ask_usage(data, document))
    assert asks_usage(asked)
    assert document == before


def test_nothing_to_change_gives_the_same_object() -> None:
    body, document = b'{"model": "m"}', {"model": "m"}
    assert patched(body, document) is body
    assert edited(document) is document
    asked = {"model": "m", "stream_options": {"include_usage": True}}
    assert ask_usage(body, asked) is body
    assert patched(body, asked, usage=True) is body


@pytest.mark.parametrize("head", ['{ "a" : 1.50 , ', "{\n\t", '{"x":"say \\\\ \\n","y":1e2,'])
@pytest.mark.parametrize("colon", [":", " : ", "\n:\t"])
def test_splice_changes_the_model_and_no_other_byte(head: str, colon: str) -> None:
    tail = ',"z": [1,  2], "\\u0041": null }'
    body = (head + '"model"' + colon + '"gpt-4o"' + tail).encode()
    assert set_model(body, orjson.loads(body), "o") == (head + '"model"' + colon + '"o"' + tail).encode()


@pytest.mark.parametrize(
    "body", [b'{"model":"m"}', b' \n{ "model": "m", "n": 1.0 }', b'{"a":{"stream_options":1},"model":"m"}']
)
def test_splice_inserts_usage_and_changes_no_other_byte(body: bytes) -> None:
    inserted = b'"stream_options":{"include_usage":true},'
    patched_body = ask_usage(body, orjson.loads(body))
    assert patched_body.replace(inserted, b"", 1) == body
    assert patched_body.startswith(body[: body.index(b"{") + 1] + inserted)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":{"model":"m"},"model":"m"}',
        b'{"text":"\\"model\\":\\"m\\"","mod\\u0065l":"m","a":{"model":"m"}}',
        b'{"a":"model","mod\\u0065l":"m"}',
        b'{"model":"m\\/n"}',
        b'{"model":"\\u006d"}',
    ],
)
def test_where_a_splice_could_hit_the_wrong_place_the_document_is_written_anew(body: bytes) -> None:
    document = orjson.loads(body)
    assert set_model(body, document, "new") == orjson.dumps({**document, "model": "new"})


def test_other_stream_options_are_kept() -> None:
    document = {"model": "m", "stream_options": {"include_obfuscation": False, "include_usage": False}}
    asked = orjson.loads(ask_usage(orjson.dumps(document), document))
    assert asked["stream_options"] == {"include_obfuscation": False, "include_usage": True}


def test_what_cannot_be_written_again_is_a_client_error() -> None:
    deep: Any = 1
    for _ in range(400):
        deep = [deep]
    with pytest.raises(MalformedRequest):
        dump(deep)
