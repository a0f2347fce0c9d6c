from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.guards.views.view import OffsetMap, Piece, View


def test_what_is_not_replaced_stands_for_itself() -> None:
    offsets = OffsetMap([(2, 4, 0, 0), (6, 7, 3, 0)])
    # ab--ef+h becomes abefXXXh
    assert [offsets.beneath(at, at + 1)[0] for at in range(8)] == [0, 1, 4, 5, 6, 6, 6, 7]
    assert offsets.beneath(1, 3) == (1, 5)
    assert offsets.beneath(4, 7) == (6, 7)


def test_a_stride_and_a_turned_run() -> None:
    assert OffsetMap([(3, 15, 4, 3)]).beneath(4, 6) == (6, 12)
    assert OffsetMap([(3, 8, 5, -1)]).beneath(3, 5) == (6, 8)
    assert OffsetMap([(0, 5, 5, -1), (6, 9, 3, -1)]).beneath(3, 7) == (0, 9)


def test_a_sparse_map_knows_its_pieces_only() -> None:
    offsets = OffsetMap([(5, 9, 4, 1), (20, 40, 7, 0)], sparse=True)
    assert offsets.beneath(0, 2) == (5, 7)
    assert offsets.beneath(3, 5) == (8, 40)
    assert len(offsets) == 2


@st.composite
def replaced(draw: st.DrawFn) -> tuple[str, str, list[Piece], list[set[int]]]:
    """A text, what became of it, how, and the original characters behind every new one."""
    text, pieces, parts, behind = "", [], [], []
    for _ in range(draw(st.integers(1, 6))):
        kept, size, step = draw(st.integers(0, 4)), draw(st.integers(1, 4)), draw(st.sampled_from([-1, 0, 1, 2, 3]))
        behind += [{len(text) + each} for each in range(kept)]
        text += "k" * kept
        parts.append("k" * kept)
        chars = draw(st.integers(0, 3)) if step == 0 else size
        start, end = len(text), len(text) + (size if step == 0 else size * abs(step))
        pieces.append((start, end, chars, step))
        text += "p" * (end - start)
        parts.append("v" * chars)
        for each in range(chars):
            if step == 0:
                behind.append(set(range(start, end)))
            elif step < 0:
                behind.append({end - 1 - each})
            else:
                behind.append(set(range(start + each * step, start + (each + 1) * step)))
    return text, "".join(parts), pieces, behind


@given(replaced(), st.data())
def test_a_stretch_covers_every_character_that_it_was_made_of(made: tuple, data: st.DataObject) -> None:
    _, view, pieces, behind = made
    if not view:
        return
    start = data.draw(st.integers(0, len(view) - 1))
    end = data.draw(st.integers(start + 1, len(view)))
    wanted = set().union(*behind[start:end])
    low, high = OffsetMap(pieces).beneath(start, end)
    assert low <= min(wanted)
    assert max(wanted) < high
    assert low >= 0
    # Nothing is taken in from runs that had no part in it, unless it lies between.
    if all(step >= 0 for *_, step in pieces):
        assert (low, high) == (min(wanted), max(wanted) + 1)


@pytest.mark.parametrize(
    ("kinds", "name"),
    [
        (["raw", "folded"], "folded"),
        (["raw", "folded", "base64"], "base64"),
        (["raw", "base64", "folded", "rot13"], "base64+rot13"),
        (["raw", "base64", "folded", "base64"], "base64"),
        (["raw", "tags", "escapes"], "tags+escapes"),
    ],
)
def test_a_view_is_named_after_what_was_done(kinds: list[str], name: str) -> None:
    view = None
    for kind in kinds:
        view = View(kind, "x", view)
    assert view is not None
    assert view.name == name


def test_offsets_go_down_through_all_views() -> None:
    text = "ab[cd]ef"
    inner = View("markup", "abcdef", View("raw", text), lambda: OffsetMap([(2, 3, 0, 0), (5, 6, 0, 0)]))
    outer = View("reversed", "fedcba", inner, lambda: OffsetMap([(0, 6, 6, -1)], sparse=True))
    assert outer.original(2, 4) == (3, 5)
    assert text[slice(*outer.original(1, 5))] == "b[cd]e"
    assert outer.original(3, 3) == (3, 3)
