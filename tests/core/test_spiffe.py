from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.spiffe import SpiffePattern, fill, is_spiffe_id, named_in


@pytest.mark.parametrize(
    "text", ["spiffe://acme.example", "spiffe://acme.example/ns/prod/sa/chat", "spiffe://a-b.c_d/x.y", "spiffe://a/..."]
)
def test_ids(text: str) -> None:
    assert is_spiffe_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "spiffe://",
        "spiffe:///a",
        "spiffe://Acme.example/a",
        "spiffe://acme.example/",
        "spiffe://acme.example/a/",
        "spiffe://acme.example//a",
        "spiffe://acme.example/a/../b",
        "spiffe://acme.example/.",
        "spiffe://acme.example:443/a",
        "spiffe://user@acme.example/a",
        "spiffe://acme.example/a?b",
        "spiffe://acme.example/a%2fb",
        "spiffe://acme.example/a b",
        "spiffe://acme.example/a'b",
        "spiffe://acme.example/a\n",
        "https://acme.example/a",
        "SPIFFE://acme.example/a",
        "spiffe://acme.example/" + "a" * 2048,
    ],
)
def test_no_ids(text: str) -> None:
    assert not is_spiffe_id(text)


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        ("spiffe://acme.example/ns/prod/sa/chat", {}),
        ("spiffe://acme.example/*", {}),
        ("spiffe://acme.example/ns/{team}/*", {"team": "prod"}),
        ("spiffe://{domain}/ns/{team}/sa/{name}", {"domain": "acme.example", "team": "prod", "name": "chat"}),
        ("spiffe://acme.example/ns/{team}/sa/ch{rest}", {"team": "prod", "rest": "at"}),
        ("spiffe://acme.example/ns/{team}", None),
        ("spiffe://acmeXexample/*", None),
        ("spiffe://acme.example/ns/prod/sa/chat/more", None),
    ],
)
def test_patterns(pattern: str, parts: dict[str, str] | None) -> None:
    assert SpiffePattern(pattern).match("spiffe://acme.example/ns/prod/sa/chat") == parts


def test_a_part_never_goes_beyond_a_slash() -> None:
    assert SpiffePattern("spiffe://acme.example/ns/{team}").match("spiffe://acme.example/ns/a/b") is None


@pytest.mark.parametrize(
    "pattern",
    ["", "https://a", "spiffe://a/*/b", "spiffe://a/{x}/{x}", "spiffe://a/{", "spiffe://a/{X}", "spiffe://a/}"],
)
def test_no_patterns(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"should|has|can"):
        SpiffePattern(pattern)


def test_templates_are_filled_once() -> None:
    assert fill("{a}-{b}", {"a": "{b}", "b": "x"}) == "{b}-x"
    assert named_in("{a}-{b}{a}") == ("a", "b", "a")


@given(st.text(max_size=60))
def test_whatever_comes_an_id_says_what_it_matches(text: str) -> None:
    found = SpiffePattern("spiffe://{domain}/*").match(text)
    if is_spiffe_id(text) and text.count("/") > 2:
        assert found is not None
