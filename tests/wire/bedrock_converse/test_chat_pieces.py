from __future__ import annotations

from typing import get_args

import pytest

from gateway.core.chat import CacheMark, Citation, Finish
from gateway.wire.bedrock_converse.chat_pieces import (
    FORMATS,
    media_type,
    read_cache,
    read_citation,
    read_finish,
    write_cache,
    write_citation,
    write_finish,
)
from gateway.wire.block_calls import arguments_object


def test_reasons_survive_as_far_as_there_are_words_for_them() -> None:
    for finish in get_args(Finish):
        again = read_finish(write_finish(finish, called=False))
        assert again == {"refusal": "content_filter", "pause": "stop"}.get(finish, finish)
    assert (read_finish("new"), read_finish(""), read_finish(None)) == ("stop", None, None)
    assert write_finish(None, called=True) == "tool_use"
    assert write_finish("length", called=True) == "max_tokens"


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_has_a_media_type_and_back(kind: str) -> None:
    for written in FORMATS[kind].values():
        assert FORMATS[kind][media_type(kind, written)] == written
    assert media_type(kind, "unheard-of") == ""


def test_citations() -> None:
    web = {"title": "A page", "location": {"web": {"url": "https://x.example"}}, "sourceContent": [{"text": "q"}]}
    read = read_citation(web)
    assert read is not None
    assert (read.kind, read.url, read.title, read.quote) == ("url", "https://x.example", "A page", "q")
    assert write_citation(read) is web
    assert write_citation(Citation(kind="url", url="https://x.example", title="A page", quote="q")) == web
    assert write_citation(Citation(kind="document")) is None
    assert read_citation({"location": {"documentChar": {}}}) is not None
    assert read_citation("x") is None


def test_marks_and_arguments() -> None:
    assert read_cache({"type": "default", "ttl": "1h"}) == CacheMark(ttl="1h")
    assert write_cache(CacheMark(ttl="1h"))["cachePoint"] == {"type": "default", "ttl": "1h"}
    assert write_cache(CacheMark(ttl="2h"))["cachePoint"] == {"type": "default"}
    assert read_cache(None) == CacheMark()
    assert (arguments_object(" "), arguments_object("[]"), arguments_object('{"a":1}')) == ({}, None, {"a": 1})
    assert arguments_object('{"a":1,"a":2}') is None
