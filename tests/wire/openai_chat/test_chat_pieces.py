from __future__ import annotations

from typing import Any

import pytest

from gateway.core.chat import Citation, TokenLogprob
from gateway.wire.openai_chat.chat_pieces import (
    made_id,
    read_citations,
    read_finish,
    read_logprobs,
    write_citations,
    write_finish,
    write_logprobs,
)


@pytest.mark.parametrize(
    ("reason", "refused", "finish"),
    [
        ("stop", False, "stop"),
        ("stop", True, "refusal"),
        ("length", True, "length"),
        ("function_call", False, "tool_calls"),
        ("content_filter", False, "content_filter"),
        ("eos", False, "stop"),
        ("error", False, "error"),
        (None, False, None),
        (7, False, None),
    ],
)
def test_reasons_are_read(reason: Any, refused: bool, finish: str | None) -> None:
    assert read_finish(reason, refused=refused) == finish


@pytest.mark.parametrize(
    ("finish", "refused", "reason"),
    [
        ("stop_sequence", False, "stop"),
        ("context", False, "length"),
        ("pause", False, "stop"),
        ("refusal", True, "stop"),
        ("refusal", False, "content_filter"),
        ("tool_calls", False, "tool_calls"),
    ],
)
def test_reasons_are_written(finish: Any, refused: bool, reason: str) -> None:
    assert write_finish(finish, refused=refused) == reason


def test_citations_go_both_ways() -> None:
    held = {"url": "https://e.example", "title": "t", "start_index": 2, "end_index": 5}
    note = {"type": "url_citation", "url_citation": held}
    (citation,) = read_citations([note, 7, {"type": "other"}])
    assert (citation.url, citation.start, citation.end) == ("https://e.example", 2, 5)
    assert write_citations([citation], 0) == [note]
    (moved,) = write_citations([citation], 10)
    assert (moved["url_citation"]["start_index"], moved["url_citation"]["end_index"]) == (12, 15)
    assert write_citations([Citation(kind="document", quote="q")], 0) == []
    assert read_citations(None) == ()


def test_logprobs_go_both_ways() -> None:
    likely = {"token": "a", "logprob": -0.5, "bytes": [97]}
    document = {"content": [{**likely, "top_logprobs": [likely]}], "refusal": None}
    read = read_logprobs(document)
    top = TokenLogprob(token="a", logprob=-0.5, bytes_=(97,))
    assert read == (TokenLogprob(token="a", logprob=-0.5, bytes_=(97,), top=(top,)),)
    assert write_logprobs(read) == document
    assert read_logprobs({"content": None}) is None
    assert write_logprobs(None) is None
    assert read_logprobs({"content": [{"token": 7, "bytes": ["x"]}, 7]}) == (TokenLogprob(token="", logprob=0.0),)


def test_made_ids_differ_between_answers_choices_and_calls() -> None:
    made = {made_id(answer, choice, call) for answer in ("", "a-1", "b") for choice in (0, 1) for call in (0, 1)}
    assert len(made) == 12
    assert max(len(made_id("x" * 100, 120, 1000)), 0) <= 40
    assert made_id("resp-1", 0, 2) == "call_resp1_2"
