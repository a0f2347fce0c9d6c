from __future__ import annotations

import re

from gateway.guards.views import rewriting
from gateway.guards.views.view import View


def shout(found: re.Match[str]) -> tuple[str, list] | None:
    return (found.group() * 2, [(*found.span(), 2, 0)]) if found.group() != "c" else None


def test_stretches_are_replaced_or_left() -> None:
    made = rewriting.rewrite(View("raw", "abcab"), "markup", re.compile("[abc]"), shout)
    assert made.view is not None
    assert made.view.text == "aabbcaabb"
    assert made.view.original(4, 5) == (2, 3)
    assert made.view.original(8, 9) == (4, 5)


def test_a_sparse_view_has_nothing_else() -> None:
    made = rewriting.rewrite(View("raw", "xxaxxb"), "base64", re.compile("[ab]"), shout, sparse=True)
    assert made.view is not None
    assert made.view.text == "aabb"
    assert made.view.original(2, 3) == (5, 6)


def test_nothing_found_is_no_view() -> None:
    made = rewriting.rewrite(View("raw", "c"), "markup", re.compile("c"), shout)
    assert made.view is None
    assert made.whole


def test_work_is_bounded_and_says_so() -> None:
    text = "a" * (rewriting.MAX_PIECES + 5)
    made = rewriting.rewrite(View("raw", text), "markup", re.compile("a"), shout)
    assert made.view is not None
    assert not made.whole
    assert len(made.view.text) == 2 * rewriting.MAX_PIECES + 5
