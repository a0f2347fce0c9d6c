from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.verdict import When
from gateway.policy.expression import detectors_of, finds_something, parse_when


def one(name: str) -> When:
    return When(op="detector", name=name)


def both(*parts: When) -> When:
    return When(op="all", parts=parts)


def either(*parts: When) -> When:
    return When(op="any", parts=parts)


def no(part: When) -> When:
    return When(op="not", parts=(part,))


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("keys", one("keys")),
        ("  keys  ", one("keys")),
        ("our-keys_2", one("our-keys_2")),
        ("a or b", either(one("a"), one("b"))),
        ("a and b and c", both(one("a"), one("b"), one("c"))),
        ("a or b and c", either(one("a"), both(one("b"), one("c")))),
        ("(a or b) and c", both(either(one("a"), one("b")), one("c"))),
        ("not a and b", both(no(one("a")), one("b"))),
        ("not (a and b)", no(both(one("a"), one("b")))),
        ("not not a", no(no(one("a")))),
        ("((a))", one("a")),
        ("order and android", both(one("order"), one("android"))),
        ("a\n  or b", either(one("a"), one("b"))),
    ],
)
def test_words_bind_as_in_speech(text: str, when: When):
    assert parse_when(text) == when


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "should be an expression"),
        ("   ", "should be an expression"),
        (5, "should be an expression"),
        (["a"], "should be an expression"),
        ("a b", "'and', 'or' or the end expected at column 3"),
        ("a or", "a detector expected at column 5"),
        ("or a", "a detector expected at column 1"),
        ("a and and b", "a detector expected at column 7"),
        ("not", "a detector expected at column 4"),
        ("(a", "the parenthesis of column 1 is not closed"),
        ("a)", "'and', 'or' or the end expected at column 2"),
        ("()", "a detector expected at column 2"),
        ("a & b", "a character at column 3 that means nothing here"),
        ("a or 5", "a character at column 6 that means nothing here"),
        ("(" * 100 + "a" + ")" * 100, "nested deeper than 20 levels"),
        ("not " * 50 + "a", "nested deeper than 20 levels"),
        ("a or " * 300 + "a", "longer than 1000 characters"),
    ],
)
def test_what_makes_no_sense_is_said_to_where_it_stops(text: object, message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_when(text)


def test_detectors_are_listed_in_order():
    assert list(detectors_of(parse_when("b and (a or not c) or b"))) == ["b", "a", "c", "b"]


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("a", True),
        ("not a", False),
        ("a and not b", True),
        ("a or b", True),
        ("a or not b", False),
        ("not a and not b", False),
        ("(a or b) and not c", True),
    ],
)
def test_whether_a_hit_is_needed(text: str, needed: bool):
    assert finds_something(parse_when(text)) is needed


EXPRESSIONS = st.recursive(
    st.sampled_from(["a", "b", "long-name"]).map(one),
    lambda inner: st.one_of(
        inner.map(no),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: both(*parts)),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: either(*parts)),
    ),
    max_leaves=6,
)


def written(when: When) -> str:
    if when.op == "detector":
        return when.name
    if when.op == "not":
        return f"not ({written(when.parts[0])})"
    return f" {'and' if when.op == 'all' else 'or'} ".join(f"({written(part)})" for part in when.parts)


@given(EXPRESSIONS)
def test_what_is_written_is_what_is_read(when: When):
    assert parse_when(written(when)) == when


@given(st.text(st.sampled_from("ab()-_ \n not and or 1&"), max_size=60))
def test_no_text_raises_anything_else(text: str):
    try:
        when = parse_when(text)
    except ValueError:
        return
    assert list(detectors_of(when))
