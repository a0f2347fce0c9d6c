"""Links of Markdown: where they stand, and how much must be seen to know."""

from __future__ import annotations

import pytest

from gateway.guards.links.markdown import scan, unescaped
from gateway.guards.links.sighting import HEAD, MAX_URL, Sighting


def links(text: str) -> list[Sighting]:
    return [sighting for sighting in scan(text, 0) if sighting.targets]


@pytest.mark.parametrize(
    ("text", "surface", "target", "covered"),
    [
        ("a [b](u) c", "md_link", "u", "[b](u)"),
        ("a ![b c](u) d", "md_image", "u", "![b c](u)"),
        ("[b]( <u v> 't' ) c", "md_link", "u v", "[b]( <u v> 't' )"),
        ("[b](u(v)w) c", "md_link", "u(v)w", "[b](u(v)w)"),
        ('[b](u "t)") c', "md_link", "u", '[b](u "t)")'),
        ("[b](u v) c", "md_link", "u", "[b](u"),
        ("[b](\nu\n) c", "md_link", "u", "[b](\nu\n)"),
        ("[b](u\\)v) c", "md_link", "u\\", "[b](u\\)"),
        ("[b](a\\_b) c", "md_link", "a_b", "[b](a\\_b)"),
        ("[b]: u 't'", "md_reference", "u", "[b]: u"),
        ("[b]:\n  <u v>", "md_reference", "u v", "[b]:\n  <u v>"),
        ("[a [b] c](u)", "md_link", "u", "[a [b] c](u)"),
        (f"[{'a' * HEAD}](u)", "md_link", "u", "](u)"),
        (f"[{'a' * HEAD}]: u", "md_reference", "u", "]: u"),
        ("[b](u", "md_link", "u", "[b](u"),
        ("[b](<u", "md_link", "u", "[b](<u"),
    ],
)
def test_what_is_found(text: str, surface: str, target: str, covered: str) -> None:
    (found,) = links(text)
    assert (found.surface, found.targets, text[found.start : found.end]) == (surface, (target,), covered)


@pytest.mark.parametrize("text", ["a [b] c", "a[0] = b[1]", "[b] (u)", "[b]()", "[^1]: u", "[[b]]", "] [", "(u)"])
def test_what_is_none(text: str) -> None:
    assert links(text) == []


def test_an_image_in_a_link_is_both() -> None:
    found = links("[![b](u)](v)")
    assert [(each.surface, each.targets[0]) for each in found] == [("md_image", "u"), ("md_link", "v")]


def test_nothing_is_looked_at_longer_than_it_may_be() -> None:
    (found,) = links("[b](" + "u" * (2 * MAX_URL))
    assert len(found.targets[0]) == MAX_URL + 1
    assert found.seen <= found.end + 1
    deep = "[b](" + "(" * 100 + "u"
    assert links(deep)[0].end < 40


def test_how_far_was_looked() -> None:
    for begun in ("[b", "[b]", "[b](", "[b](u", "[b](u ", "[b](u 't", "[b](<u", "[b]: ", "[b]: u"):
        assert any(each.seen > len(begun) for each in scan(begun, 0)), begun
    for decided in ("[b] ", "[b](u)", "[b](u x", "[b]: u ", "[" + "b" * (HEAD + 1), "[b](u 't' x"):
        assert all(each.seen <= len(decided) for each in scan(decided, 0)), decided


def test_backslashes() -> None:
    assert unescaped("a\\.b\\c") == "a.b\\c"
