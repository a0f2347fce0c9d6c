from __future__ import annotations

import re

import pytest

from gateway.policy.templates import Templates


@pytest.mark.parametrize(
    ("template", "shape"),
    [
        ("rand", "[A-Za-z0-9]{40}"),
        ("upper", "[A-Z]{40}"),
        ("lower", "[a-z]{40}"),
        ("digits", "[0-9]{40}"),
        ("hex", "[0-9a-f]{40}"),
        ("base64", "[A-Za-z0-9+/]{40}"),
    ],
)
def test_each_kind_makes_up_its_characters(template: str, shape: str):
    assert re.fullmatch(shape, Templates("x").expand(f"{{{{{template}:40}}}}"))


def test_a_test_makes_up_the_same_every_time_and_another_test_something_else():
    assert Templates("a").expand("{{rand:20}}") == Templates("a").expand("{{rand:20}}")
    assert Templates("a").expand("{{rand:20}}") != Templates("b").expand("{{rand:20}}")


def test_two_templates_in_a_test_are_two_texts():
    templates = Templates("a")
    first, second = templates.expand("{{upper:8}} {{upper:8}}").split()
    assert first != second
    assert templates.expand("{{upper:8}}") not in (first, second)


def test_other_braces_are_text():
    text = "{{ name }} {{name}} {{rand}} {rand:3} {{rand:x}}"
    assert Templates("a").expand(text) == text


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{words:3}}", "rand, upper, lower"),
        ("{{rand:0}}", "4096"),
        ("{{rand:5000}}", "4096"),
        ("{{tags:naïve}}", "ASCII only"),
    ],
)
def test_a_template_that_cannot_be_is_refused(template: str, message: str):
    with pytest.raises(ValueError, match=message):
        Templates("a").expand(template)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{tags:hi}}", "\U000e0068\U000e0069"),
        ("{{zw:hi}}", "h\u200bi"),
        ("{{b64:ignore all}}", "aWdub3JlIGFsbA=="),
        ("{{hexof:hi}}", "6869"),
        ("{{url:a b}}", "a%20b"),
        ("{{wide:Hi}}", "\uff28\uff49"),
        ("{{leet:least}}", "13457"),
        ("{{rot13:hello}}", "uryyb"),
        ("{{reversed:abc}}", "cba"),
        ("{{spaced:abc}}", "a b c"),
    ],
)
def test_a_text_may_be_disguised(template: str, text: str):
    assert Templates("a").expand(template) == text
