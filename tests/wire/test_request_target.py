from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import MalformedRequest
from gateway.wire.request_target import check_query, check_target, plain_path, with_model


@pytest.mark.parametrize(
    "path",
    [
        "/v1/responses",
        "/v1/files/file-abc123/content",
        "/v1/models/meta-llama%2FLlama-3.1-8B",
        "/v1/models/ft:gpt-4o-mini:acme::7p4lURel",
        "/providers/gemini/v1beta/models/gemini-2.5-flash:generateContent",
        "/providers/a/x...y/.well-known/..name",
        "/providers/a/caf%C3%A9%20menu",
        "/providers/a/100%25",
        "/providers/a/",
        "/",
    ],
)
def test_ordinary_paths_pass(path: str) -> None:
    check_target(path, "")


@pytest.mark.parametrize(
    "path",
    [
        "", "v1/x", "*", "http://host/v1/x", "/providers/a/../b", "/providers/a/..", "/providers/a/.",
        "/providers/a/./b",
        "/providers/a//b", "//a", "/providers/a/%2e%2e/b", "/providers/a/%2E%2e%2fb", "/providers/a/.%2e/b",
        "/providers/a/..%2fb", "/providers/a/..%2F", "/providers/a%2f..%2f..", "/providers/a/x%2f%2fy",
        "/providers/a/..;x=1/b", "/providers/a/.;/b", "/providers/a/..\\b", "/providers/a/..%5cb",
        "/providers/a/%252e%252e/b", "/providers/a/%25%32%65/b", "/providers/a/%25%32f", "/providers/a/%255C",
        "/providers/a/..%3bx/b", "/providers/a/.%3B", "/providers/a/%25%37%46",
        "/;a/v1/files", "/providers/a/%3B/b",
        "/providers/a/%252f", "/providers/a/%255c", "/providers/a/b?c", "/providers/a/b#c", "/providers/a/b c",
        "/providers/a/b\r\nx: y", "/providers/a/%0d%0a", "/providers/a/%00", "/providers/a/%250a", "/providers/a/\x00",
        "/providers/a/é", "/providers/a/%", "/providers/a/%2", "/providers/a/%zz", "/providers/a/%7f",
    ],
)  # fmt: skip
def test_paths_that_lead_elsewhere_than_they_seem_are_refused(path: str) -> None:
    with pytest.raises(MalformedRequest):
        check_target(path, "")


@pytest.mark.parametrize("query", ["", "stream=true&starting_after=4", "filter[a]=b|c&q=%2e%2e/..", 'x="y"', "a?b"])
def test_ordinary_queries_pass(query: str) -> None:
    check_query(query)


@pytest.mark.parametrize("query", ["a b", "a#b", "a\r\nb", "a\nb", "\x00", "é", "\x7f"])
def test_queries_that_break_the_request_line_are_refused(query: str) -> None:
    with pytest.raises(MalformedRequest):
        check_query(query)
    with pytest.raises(MalformedRequest):
        check_target("/v1/x", query)


tokens = st.sampled_from(
    ["/", ".", "..", "%2e", "%2E", "%2f", "%5c", "\\", ";", "%25", "2e", "2f", "a", "b:c", "%", "\r\n"]
)


@given(st.lists(tokens, max_size=10).map("".join))
def test_no_accepted_path_climbs_however_often_it_is_decoded(tail: str) -> None:
    path = "/providers/a/" + tail
    try:
        check_target(path, "")
    except MalformedRequest:
        return
    for _ in range(3):
        path = unquote(path)
        for segment in path.replace("\\", "/").split("/"):
            assert segment.partition(";")[0] not in (".", "..")
    assert not set(path) & set("\r\n\0\\")


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_target_passes_or_is_refused_as_malformed(path: str, query: str) -> None:
    try:
        check_target("/" + path, query)
    except MalformedRequest:
        return
    assert f"{path}{query}".isascii()
    assert " " not in path + query


@pytest.mark.parametrize(
    "path",
    ["/v1/chat/completions/", "/v1/Chat/Completions", "/v1/%63hat/completions", "/v1/chat%2Fcompletions",
     "/v1/chat;x=1/completions;y", "/v1/%2563hat/completions"],
)  # fmt: skip
def test_lenient_spellings_show_as_the_plain_path(path: str) -> None:
    assert plain_path(path) == "/v1/chat/completions"


@pytest.mark.parametrize(
    ("model", "path"),
    [("gemini-2.5-pro", "gemini-2.5-pro"), ("a/../b?c#d", "a%2F..%2Fb%3Fc%23d"), ("{model}", "%7Bmodel%7D")],
)
def test_a_model_becomes_one_segment_of_a_path(model: str, path: str) -> None:
    assert with_model("/models/{model}:go?x={model}", model) == f"/models/{path}:go?x={{model}}"
