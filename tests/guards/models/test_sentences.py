from __future__ import annotations

import inspect
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.guards.models import sentences as module
from gateway.guards.models.sentences import MOST_CHARS, is_code, sentences


def cut(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One is here. Two is there! Three?", ["One is here.", "Two is there!", "Three?"]),
        ("First line\nsecond line\r\n\r\nthird line", ["First line", "second line", "third line"]),
        ("| Name | Place |\n| Anna | Oslo |", ["Name", "Place", "Anna", "Oslo"]),
        ("<p>Hello world</p><b>there now</b>", ["Hello world", "there now"]),
        ("今天天气很好。最近的车站在哪里？", ["今天天气很好。", "最近的车站在哪里？"]),
        ('He said "stop." Then he left.', ['He said "stop.', "Then he left."]),
        ("Version 1.5 of x.y is out", ["Version 1.5 of x.y is out"]),
        ("a. b", []),
        ("", []),
    ],
)
def test_sentences_end_where_people_end_them(text: str, expected: list[str]) -> None:
    assert cut(text) == expected


@given(st.text(st.sampled_from('ab .!?\n|\t<>"。'), max_size=300))
def test_sentences_lie_in_order_and_hold_all_letters_of_longer_ones(text: str) -> None:
    spans = sentences(text)
    assert all(a < b for a, b in spans)
    assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(spans))


def test_a_stretch_without_an_end_is_cut_between_words() -> None:
    found = cut("word " * 500)
    assert all(len(each) <= MOST_CHARS and each.startswith("word") for each in found)


def test_code_is_known() -> None:
    assert is_code(inspect.getsource(module))
    assert is_code('#include <stdio.h>\nint main() {\n  printf("hi");\n  return 0;\n}\n')
    assert is_code("const a = 1;\nlet b = f(a);\nif (b) {\n  run();\n}")


def test_prose_is_not_code() -> None:
    assert not is_code("Dear Anna,\nthank you for the report that you sent.\nPlease call me (today).\nBest,\nTom")
    assert not is_code("| Name | Place |\n|---|---|\n| Anna | Oslo |\n| Li | Rome |")
    assert not is_code("import duties went up\nfrom Monday on we pay more\nreturn to sender as soon as you can, please")
    assert not is_code("x = 1")


@pytest.mark.parametrize("unit", [" ", "\n", ". ", "a", "<", "|", "; ", "a a ", "=", "(", '."'])
def test_the_work_is_linear(unit: str) -> None:
    # A quadratic expression would take minutes on these.
    text = unit * (200_000 // len(unit))
    assert len(sentences(text)) <= len(text)
    assert is_code(text) in {True, False}
