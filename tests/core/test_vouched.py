from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.vouched import is_name


@pytest.mark.parametrize(
    "name",
    [
        "ann",
        "auth0|5f7c8",
        "ann@example.com",
        "Team Blue",
        "Équipe 7",
        "system:serviceaccount:prod:chat",
        "spiffe://acme.example/ns/prod/sa/chat",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "x" * 256,
    ],
)
def test_names_of_people_and_programs_are_names(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "value",
    [
        "",
        " a",
        "a'b",
        'a"b',
        "a;b",
        "a,b",
        "a\\b",
        "a<b",
        "a\nb",
        "a\rb",
        "a\0b",
        "a\tb",
        "{a}",
        "$a",
        "x" * 257,
        7,
        None,
        [],
        True,
        b"a",
    ],
)
def test_nothing_else_is(value: object) -> None:
    assert not is_name(value)


@given(st.text())
def test_a_name_can_end_no_line_and_no_quoted_text(text: str) -> None:
    if is_name(text):
        assert text.isprintable()
        assert not set(text) & set("\r\n\0'\"\\`;,<>{}$%")
