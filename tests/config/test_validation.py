from __future__ import annotations

from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, Field

from gateway.config.source import load_yaml
from gateway.config.validation import Checked, Many, NotYet, Strict, not_yet, suggestion, validated


class Inner(Strict):
    name: str
    count: int = 0
    share: float = 0.0
    on: bool = False
    later: NotYet = None


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("should be even")
    if value == 4:
        raise not_yet("four")
    return value


class Section(Strict):
    size: int = Field(7, validation_alias="dimension")


class Outer(Strict):
    kind: Literal["a", "b"] = "a"
    section: Section
    even: Annotated[int, AfterValidator(_even)] = 0
    items: Many[Inner] = ()
    named: dict[Annotated[str, Field(pattern="^[a-z]+$")], Inner] = {}
    optional: Inner | None = None


def check(text: str) -> tuple[Checked[Outer], list[str]]:
    checked = validated(Outer, load_yaml(text, "f"))
    return checked, [str(problem) for problem in checked.problems]


def test_a_good_file_becomes_the_model():
    checked, problems = check("kind: b\nsection: {dimension: 3}\nitems: [{name: x, share: 1}]\nnamed: {y: {name: z}}")
    assert problems == []
    assert checked.value is not None
    assert (checked.value.kind, checked.value.section.size, checked.value.items[0].share) == ("b", 3, 1.0)


def test_an_empty_file_is_all_defaults():
    checked, problems = check("")
    assert problems == []
    assert checked.value is not None
    assert checked.value.section.size == 7


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nkinb: b", "f:2: kinb: unknown key; did you mean 'kind'?"),
        ("zzzz: 1", "f:1: zzzz: unknown key"),
        ("section:\n  dimensjon: 1", "f:2: section.dimensjon: unknown key; did you mean 'dimension'?"),
        ("section: {size: 1}", "f:1: section.size: unknown key"),
        ("items:\n  - name: x\n    cuont: 1", "f:3: items[0].cuont: unknown key; did you mean 'count'?"),
        ("named:\n  x:\n    nameq: 1\n    name: y", "f:3: named.x.nameq: unknown key; did you mean 'name'?"),
        ("optional: {name: x, shere: 1}", "f:1: optional.shere: unknown key; did you mean 'share'?"),
        ("items:\n  - count: 1", "f:2: items[0].name: required"),
        ("items: [{name: null}]", "f:1: items[0].name: required"),
        ("items: {name: x}", "f:1: items: should be a list"),
        ("items: [x]", "f:1: items[0]: should be a mapping"),
        ("section: 5", "f:1: section: should be a mapping"),
        ("named: [1]", "f:1: named: should be a mapping"),
        ("named: {X1: {name: y}}", "f:1: named.X1: should match pattern '^[a-z]+$'"),
        ("kind: c", "f:1: kind: should be 'a' or 'b'"),
        ("even: 3", "f:1: even: should be even"),
        ("even: 4", "f:1: even: four is not yet available"),
        ("even: '2'", "f:1: even: should be a whole number"),
        ("even: 2.5", "f:1: even: should be a whole number"),
        ("items: [{name: 5}]", "f:1: items[0].name: should be text (quote what looks like a number)"),
        ("items: [{name: x, on: yes}]", "f:1: items[0].on: should be true or false"),
        ("items: [{name: x, share: y}]", "f:1: items[0].share: should be a number"),
        ("items: [{name: x, later: 1}]", "f:1: items[0].later: not yet available"),
        ("- 1", "f:1: should be a mapping"),
        ("5", "f:1: should be a mapping"),
    ],
)
def test_each_slip_is_said_in_words_with_its_line(text: str, problem: str):
    assert problem in check(text)[1]


def test_a_key_of_something_that_is_not_built_is_no_suggestion():
    assert check("items: [{name: x, latex: 1}]")[1] == ["f:1: items[0].latex: unknown key"]


def test_a_key_without_a_value_is_not_written_but_an_unknown_one_still_is():
    checked, problems = check("kind:\nsection:\nitems: ~\noptional:\n")
    assert problems == []
    assert checked.value == Outer.model_validate({})
    assert check("knd:\n")[1] == ["f:1: knd: unknown key; did you mean 'kind'?"]


def test_all_problems_come_at_once_in_the_order_of_the_file():
    _, problems = check("kind: c\neven: 1\neven: 2\nitems:\n  - {}\n  - {name: 1}\nfoo: 1\n")
    assert problems == [
        "f:1: kind: should be 'a' or 'b'",
        "f:2: even: should be even",
        "f:3: even: duplicate key, first on line 2",
        "f:5: items[0].name: required",
        "f:6: items[1].name: should be text (quote what looks like a number)",
        "f:7: foo: unknown key",
    ]


def test_what_is_right_is_left_when_something_is_wrong():
    checked, problems = check(
        "kind: b\nfoo: 1\nsection: {dimension: x}\nitems:\n- {count: 1}\n- {name: 1}\n- {name: ok}\n"
    )
    assert len(problems) == 4
    value = checked.value
    assert value is not None
    assert (value.kind, value.section.size, [item.name for item in value.items]) == ("b", 7, ["ok"])


def test_places_in_what_is_left_are_places_in_the_file():
    checked, _ = check("items:\n- {count: 1}\n- {name: 1}\n- name: ok\n  count: 3\n")
    assert str(checked.document.problem(("items", 0, "count"), "no")) == "f:5: items[2].count: no"


def test_a_file_that_is_no_yaml_has_no_model():
    checked, problems = check("a: [")
    assert checked.value is None
    assert len(problems) == 1


def test_a_suggestion_is_near_or_not_made():
    assert suggestion("opnai", ["openai", "sim"]) == "; did you mean 'openai'?"
    assert suggestion("x", ["openai", "sim"]) == ""
    assert suggestion("x", []) == ""


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["kind", "items", "name", "count", "section", "named", "later", "x"]), inner),
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["kind", "section", "even", "items", "named", "optional", "x"]), VALUES))
def test_nothing_in_a_file_raises(data: dict[str, object]):
    document = load_yaml("a: 1", "f")
    checked = validated(Outer, type(document)("f", data))
    assert (checked.value is not None) or checked.problems
    if checked.value is not None and checked.problems:
        assert validated(Outer, checked.document).problems == ()
