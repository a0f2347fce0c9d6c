"""What stands for parts of a client's model name: found as globs find them, and put in once."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.placeholders import MODEL, Stars, filled, holders, used


@pytest.mark.parametrize(
    ("alias", "model", "values"),
    [
        ("gpt-*", "gpt-4o", {"{star}": "4o"}),
        ("*-*", "a-b-c", {"{star1}": "a", "{star2}": "b-c"}),
        ("[*]x*", "*xyz", {"{star}": "yz"}),
        ("a[!]]*", "ab]*", {"{star}": "]*"}),
        ("**-?", "foo-1", {"{star}": "foo"}),
        ("x[*", "x[1", {"{star}": "1"}),
        ("*.v1", "a\nb.v1", {"{star}": "a\nb"}),
        ("gpt-*", "gpt-", None),
        ("*-*", "-b", None),
    ],
)
def test_each_star_stands_for_something(alias: str, model: str, values: dict[str, str] | None):
    assert Stars(alias).of(model) == values
    assert fnmatchcase(model, alias)
    assert values is None or (MODEL, *values) == holders(alias)


@given(st.text("ab-*?", max_size=8), st.text("ab-", max_size=12))
def test_stars_put_back_give_the_name(alias: str, model: str):
    values = Stars(alias).of(model)
    if values is None:
        # A name with something for every star would have been found.
        strict = alias.replace("**", "*").replace("**", "*").replace("**", "*").replace("*", "?*")
        assert not fnmatchcase(model, strict)
        return
    assert fnmatchcase(model, alias)
    assert all(values.values())
    assert len(alias.replace("*", "")) + sum(map(len, values.values())) == len(model)


def test_many_stars_take_no_time():
    # Tried in every way, this would be some 10 ** 13 steps.
    assert Stars("*a" * 8 + "*b").of("a" * 200) is None


def test_what_a_client_wrote_stands_for_nothing():
    assert filled("x-{star}/{model}", {"{star}": "{model}", MODEL: "{star}"}) == "x-{model}/{star}"
    assert used("a{star}b{}c{model}") == ("{star}", "{}", "{model}")
    assert (holders("plain"), holders("*")) == ((MODEL,), (MODEL, "{star}"))
