from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.lists import MAX_VALUES, TYPES, ListType, lines_of, parse_values


@pytest.mark.parametrize(
    ("kind", "written", "read"),
    [
        ("host", "Docs.Example.COM", "docs.example.com"),
        ("host", "*.example.com", "*.example.com"),
        ("host", "bücher.example", "xn--bcher-kva.example"),
        ("host", "192.0.2.1", "192.0.2.1"),
        ("host", "[2001:DB8::1]", "2001:db8::1"),
        ("host", "Example.com:8443/docs/", "example.com:8443/docs"),
        ("host", "[2001:DB8::1]:80", "[2001:db8::1]:80"),
        ("mail_domain", "Acme.example", "acme.example"),
        ("mail_domain", "*.acme.example", "*.acme.example"),
        ("cidr", "10.0.0.0/8", "10.0.0.0/8"),
        ("cidr", "2001:DB8::/32", "2001:db8::/32"),
        ("tool", "mcp:crm/search_*", "mcp:crm/search_*"),
        ("word", "  Project Osprey ", "Project Osprey"),
    ],
)
def test_a_value_is_brought_into_the_form_that_is_compared(kind: ListType, written: str, read: str):
    assert parse_values(kind, [written]) == ([read], [])


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        ("host", "https://example.com"),
        ("host", "example.com/docs?q"),
        ("host", "example.com/a/../b"),
        ("host", "example.com:0"),
        ("host", "example.com:65536"),
        ("host", "a b"),
        ("host", "*.192.0.2.1"),
        ("host", "-a.example"),
        ("host", ""),
        ("host", "a..b"),
        ("host", "x" * 300),
        ("mail_domain", "someone@acme.example"),
        ("cidr", "10.0.0.1/8"),
        ("cidr", "ten"),
        ("tool", "two words"),
        ("word", ""),
    ],
)
def test_what_is_none_is_told_by_its_position(kind: ListType, written: str):
    values, wrong = parse_values(kind, [written])
    assert values == []
    assert [index for index, _ in wrong] == [0]
    assert wrong[0][1].startswith("should be")


def test_a_value_counts_once():
    assert parse_values("host", ["a.example", "A.example", "b.example"]) == (["a.example", "b.example"], [])


def test_a_list_is_bounded():
    _, wrong = parse_values("word", [str(number) for number in range(MAX_VALUES + 1)])
    assert wrong == [(MAX_VALUES, f"more than {MAX_VALUES} values")]


def test_a_file_holds_one_value_a_line_and_remarks():
    assert list(lines_of("# ours\na.example\n\n  b.example  # since May\r\n")) == [(2, "a.example"), (4, "b.example")]


@given(st.sampled_from(TYPES), st.lists(st.text(max_size=30), max_size=5))
def test_no_text_raises(kind: ListType, texts: list[str]):
    values, wrong = parse_values(kind, texts)
    assert len(values) + len(wrong) <= len(texts)
    assert parse_values(kind, values) == (values, [])
