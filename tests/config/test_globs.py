"""One value, several, or none of these: as people write it."""

from __future__ import annotations

import pytest

from gateway.config.globs import among, parse_globs, parse_tags
from gateway.core.verdict import Globs


@pytest.mark.parametrize(
    ("written", "globs"),
    [
        ("a", Globs(include=("a",))),
        (["a", "b-*"], Globs(include=("a", "b-*"))),
        ({"not": "a"}, Globs(exclude=("a",))),
        ({"not": ["a", "b"]}, Globs(exclude=("a", "b"))),
    ],
)
def test_one_several_or_none_of_these(written: object, globs: Globs):
    assert parse_globs(written) == globs


@pytest.mark.parametrize("written", [5, "", [], ["a", 5], [""], {}, {"not": []}, {"not": "a", "or": "b"}, ["x"] * 1001])
def test_anything_else_is_no_match(written: object):
    with pytest.raises(ValueError, match=r"name|should be"):
        parse_globs(written)


def test_a_tag_without_a_value_is_any_value_of_it():
    assert parse_tags(["env=prod", "legal"]) == Globs(include=("env=prod", "legal=*"))
    assert parse_tags({"not": "legal"}) == Globs(exclude=("legal=*",))


def test_a_word_that_there_is_none_of_is_told_with_what_was_meant():
    with pytest.raises(ValueError, match="no colour is called 'gren'; did you mean 'green'"):
        among(("red", "green"), "colour")("gren")
    assert among(("red", "green"), "colour")({"not": "red"}) == Globs(exclude=("red",))
