from __future__ import annotations

import itertools
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.segments import (
    KEY,
    Path,
    Segment,
    Span,
    apply_spans,
    pointer,
    replace_leaves,
    walk_leaves,
    without_paths,
)

SCALARS = st.one_of(st.text(max_size=6), st.integers(), st.floats(allow_nan=False), st.booleans(), st.none())
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=4)),
    max_leaves=25,
)


def at(document: Any, path: Path) -> Any:
    for step in path:
        document = document[step]
    return document


def plain_leaves(document: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every leaf, by the plainest walk there is."""
    if isinstance(document, dict):
        for name, value in document.items():
            yield from plain_leaves(value, (*path, name))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from plain_leaves(value, (*path, index))
    else:
        yield path, document


def plain_keys(document: Any, path: Path = ()) -> Iterator[Path]:
    if isinstance(document, dict):
        for name, value in document.items():
            yield (*path, name, KEY)
            yield from plain_keys(value, (*path, name))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from plain_keys(value, (*path, index))


def containers(document: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if isinstance(document, (dict, list)):
        yield path, document
        items = document.items() if isinstance(document, dict) else enumerate(document)
        for step, value in items:
            yield from containers(value, (*path, step))


def nested(depth: int, leaf: Any) -> tuple[Any, Path]:
    document: Any = leaf
    path: Path = ()
    for level in range(depth):
        document = [document] if level % 2 else {"a": document}
        path = (0, *path) if level % 2 else ("a", *path)
    return document, path


# --- pointer


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ((), ""),
        (("model",), "model"),
        (("messages", 0, "content"), "messages[0].content"),
        (("messages", 12, "content", 1, "image_url", "url"), "messages[12].content[1].image_url.url"),
        ((0, 1), "[0][1]"),
        (("tools", 0, "secret", KEY), "tools[0].secret{key}"),
        (("", "a"), "a"),
    ],
)
def test_a_path_is_shown_as_people_write_it(path: Path, shown: str):
    assert pointer(path) == shown


# --- apply_spans


def test_spans_replace_code_points_and_not_bytes():
    assert apply_spans("né 🙂 key!", [Span(5, 8, "[K]", "r"), Span(1, 2, "e", "r")]) == "ne 🙂 [K]!"


def test_of_overlapping_spans_the_earliest_and_longest_gives_the_replacement():
    text = "0123456789"
    assert apply_spans(text, [Span(2, 5, "A", "r"), Span(4, 8, "B", "r")]) == "01A89"
    assert apply_spans(text, [Span(2, 4, "A", "r"), Span(2, 6, "B", "r")]) == "01B6789"
    assert apply_spans(text, [Span(2, 8, "A", "r"), Span(3, 4, "B", "r"), Span(8, 9, "C", "r")]) == "01AC9"


@given(st.text(max_size=40), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8), st.randoms())
def test_what_no_span_covers_stays_and_what_one_covers_goes(text: str, ends: list[tuple[int, int]], random: Any):
    spans = [Span(min(a, b), max(a, b), "\0", "r") for a, b in ends if a != b and max(a, b) <= len(text)]
    text = text.replace("\0", "0")
    covered = {index for span in spans for index in range(span.start, span.end)}
    shuffled = list(spans)
    random.shuffle(shuffled)
    edited = apply_spans(text, shuffled)
    assert edited.replace("\0", "") == "".join(char for index, char in enumerate(text) if index not in covered)
    assert edited == apply_spans(text, spans), "the order in which spans come does not matter"
    assert edited.count("\0") <= len(spans)


def test_without_spans_a_text_stays():
    assert apply_spans("text", []) == "text"


# --- walk_leaves


def test_a_walk_gives_values_keys_and_numbers_with_their_paths():
    document = {"a": ["x", 1, True, None, ""], "b": {"": 2.5}}
    assert [(s.path, s.kind, s.text) for s in walk_leaves(document)] == [
        (("a", KEY), "json_key", "a"),
        (("b", KEY), "json_key", "b"),
        (("a", 0), "leaf", "x"),
        (("a", 1), "leaf", "1"),
        (("b", ""), "leaf", "2.5"),
    ]


def test_a_walk_below_a_path_names_role_and_kind():
    (segment,) = walk_leaves("hello", ("messages", 0, "content"), role="user", kind="text")
    assert segment == Segment(("messages", 0, "content"), "user", "text", "hello")


@given(DOCUMENTS)
def test_a_walk_misses_no_text_and_gives_none_twice(document: Any):
    segments = list(walk_leaves(document))
    texts = [path for path, value in plain_leaves(document) if isinstance(value, str) and value]
    numbers = [path for path, value in plain_leaves(document) if type(value) in {int, float}]
    keys = [path for path in plain_keys(document) if path[-2] != ""]
    assert sorted((s.path for s in segments), key=repr) == sorted([*texts, *numbers, *keys], key=repr)
    for segment in segments:
        if segment.kind == "json_key":
            assert segment.text == segment.path[-2]
        else:
            found = at(document, segment.path)
            assert segment.text == (found if isinstance(found, str) else repr(found))


@given(DOCUMENTS)
def test_values_come_in_document_order(document: Any):
    shown = [s.path for s in walk_leaves(document) if s.kind == "leaf"]
    order = [path for path, _ in plain_leaves(document)]
    assert shown == [path for path in order if path in set(shown)]


def test_depth_costs_no_stack():
    document, path = nested(3000, "deep")
    assert [s.path for s in walk_leaves(document) if s.kind == "leaf"] == [path]
    edited = replace_leaves(document, {path: "other"})
    for step in path:
        edited = edited[step]
    assert edited == "other"


# --- replace_leaves


@given(DOCUMENTS, st.data())
def test_edits_land_where_they_belong_and_the_original_never_changes(document: Any, data: st.DataObject):
    before = deepcopy(document)
    places = [path for path, _ in plain_leaves(document)]
    chosen = data.draw(st.lists(st.sampled_from(places), unique=True)) if places else []
    edits = {path: f"edit {number}" for number, path in enumerate(chosen)}
    edited = replace_leaves(document, edits)
    assert document == before
    for path, value in plain_leaves(before):
        assert at(edited, path) == edits.get(path, value)
    assert [path for path, _ in plain_leaves(edited)] == places


@given(DOCUMENTS, st.data())
def test_what_is_off_the_edited_paths_is_shared_and_what_is_on_them_is_not(document: Any, data: st.DataObject):
    places = [path for path, _ in plain_leaves(document) if path]
    if not places:
        return
    path = data.draw(st.sampled_from(places))
    edited = replace_leaves(document, {path: "new"})
    on_the_way = {path[:length] for length in range(len(path))}
    for where, container in containers(document):
        assert (at(edited, where) is not container) == (where in on_the_way)


def test_without_edits_the_document_itself_comes_back():
    document = {"a": ["x"]}
    assert replace_leaves(document, {}) is document


def test_a_document_that_is_one_text_can_be_replaced():
    assert replace_leaves("secret", {(): "[X]"}) == "[X]"


def test_a_renamed_key_keeps_its_place_and_its_value():
    document = {"one": 1, "two": {"x": "y"}, "three": 3}
    edited = replace_leaves(document, {("two", KEY): "[X]"})
    assert list(edited.items()) == [("one", 1), ("[X]", {"x": "y"}), ("three", 3)]
    assert edited["[X]"] is document["two"]
    assert list(document) == ["one", "two", "three"]


KEYED = {"sk-1": {"sk-2": ["a", {"sk-3": "sk-4"}]}, "plain": "b"}
ALL_EDITS: dict[Path, str] = {
    ("sk-1", KEY): "k1",
    ("sk-1", "sk-2", KEY): "k2",
    ("sk-1", "sk-2", 1, "sk-3", KEY): "k3",
    ("sk-1", "sk-2", 1, "sk-3"): "v4",
    ("sk-1", "sk-2", 0): "v0",
}


@pytest.mark.parametrize("order", list(itertools.permutations(ALL_EDITS)))
def test_keys_and_what_lies_below_them_are_edited_together_in_any_order(order: tuple[Path, ...]):
    before = deepcopy(KEYED)
    edited = replace_leaves(KEYED, {path: ALL_EDITS[path] for path in order})
    assert edited == {"k1": {"k2": ["v0", {"k3": "v4"}]}, "plain": "b"}
    assert before == KEYED


def test_members_and_fields_are_taken_out_of_a_copy() -> None:
    document = {"a": [{"n": 0}, {"n": 1}, {"n": 2}], "b": {"c": [1]}, "d": 1}
    before = deepcopy(document)
    left = without_paths(document, {("a", 0), ("a", 2), ("b", "c", 0), ("d",), ("x", 1), ("a", 9), ("d", "e")})
    assert left == {"a": [{"n": 1}], "b": {}}
    assert document == before
    assert without_paths(document, ()) is document


def test_a_revised_text_is_what_the_document_holds() -> None:
    assert Segment(("a",), "", "text", "x").revised("y") == "y"
    assert Segment(("a",), "", "tool_argument", "{}", encoded=True, inline=True).revised('{"b":1}') == {"b": 1}
