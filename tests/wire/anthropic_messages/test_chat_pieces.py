from __future__ import annotations

from typing import get_args

import pytest

from gateway.core.chat import CacheMark, Citation, Finish
from gateway.wire.anthropic_messages.chat_pieces import (
    read_cache,
    read_citation,
    read_citations,
    read_finish,
    write_cache,
    write_citation,
    write_finish,
)
from gateway.wire.block_calls import arguments_object, arguments_text


def test_every_end_has_a_word() -> None:
    for finish in get_args(Finish):
        assert write_finish(finish, called=False)
    for reason in ("end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal"):
        assert write_finish(read_finish(reason), called=False) == reason
    assert read_finish("new_reason") == "stop"
    assert read_finish(None) is None
    assert write_finish(None, called=False) == "end_turn"


def test_an_answer_that_calls_says_so() -> None:
    assert write_finish("stop", called=True) == write_finish(None, called=True) == "tool_use"
    assert write_finish("length", called=True) == "max_tokens"


def test_citations_of_every_kind() -> None:
    web = {"type": "web_search_result_location", "url": "u", "title": "t", "cited_text": "q", "encrypted_index": "e"}
    there = {"type": "char_location", "document_title": "d", "cited_text": "q", "document_index": 0}
    file = {**there, "file_id": "f"}
    assert [each.kind for each in read_citations([web, there, file, "odd"], 5)] == ["url", "document", "file"]
    first = read_citations([web], 5)[0]
    assert (first.url, first.title, first.quote, first.start, first.end) == ("u", "t", "q", 0, 5)
    assert write_citation(first) is web
    assert read_citation(1) is None


def test_citations_of_others_are_written_where_there_is_a_form() -> None:
    assert write_citation(Citation(kind="url", url="u", title="t", dialect="openai_chat")) == {
        "type": "web_search_result_location",
        "url": "u",
        "cited_text": "",
        "encrypted_index": "",
        "title": "t",
    }
    assert write_citation(Citation(kind="file", dialect="openai_chat")) is None


def test_cache_marks() -> None:
    assert read_cache({"cache_control": {"type": "ephemeral", "ttl": "1h"}}) == CacheMark(ttl="1h")
    assert read_cache({"cache_control": None}) is None
    assert write_cache(CacheMark(ttl="1h")) == {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    assert write_cache(CacheMark(ttl="24h")) == {"cache_control": {"type": "ephemeral"}}
    assert write_cache(None) == {}


@pytest.mark.parametrize("text", ["[]", "1", "{", '{"a":1,"a":2}', "free text"])
def test_arguments_that_are_no_object(text: str) -> None:
    assert arguments_object(text) is None


def test_arguments() -> None:
    assert arguments_object("") == arguments_object("  ") == {}
    assert arguments_object('{"a": [1]}') == {"a": [1]}
    assert arguments_text({"a": [1]}) == '{"a":[1]}'
