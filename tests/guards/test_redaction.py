from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from gateway.guards.matcher import Cover
from gateway.guards.redaction import Redaction, redact
from gateway.guards.validators import Tail

STARS = Tail(re.compile(r"\**"))


def marker(rank: int) -> str:
    return f"[{rank}]"


def test_the_first_of_overlapping_matches_gives_the_marker() -> None:
    covers = [Cover(2, 5, 7, None), Cover(4, 8, 1, None), Cover(8, 9, 2, None)]
    assert redact("0123456789", covers, marker) == "01[7][2]9"


def test_a_growing_match_leaves_its_marker_at_once_and_swallows_what_follows() -> None:
    redaction = Redaction(marker)
    cover = Cover(1, 3, 0, STARS)
    cover.extend("aXX*", 0, final=False)
    assert redaction.write("aXX*", 0, [cover], 4) == "a[0]"
    assert redaction.busy
    cover.extend("aXX***", 0, final=False)
    assert redaction.write("aXX***", 0, [], 6) == ""
    cover.extend("aXX****b", 0, final=False)
    assert redaction.write("aXX****b", 0, [], 8) == "b"
    assert not redaction.busy


def test_undecided_text_stays() -> None:
    redaction = Redaction(marker)
    assert redaction.write("abcdef", 0, [], 3) == "abc"
    assert redaction.write("abcdef", 0, [Cover(4, 6, 0, None)], 5) == "d[0]"
    assert redaction.write("defgh", 3, [], 8) == "gh"


SPANS = st.lists(st.tuples(st.integers(0, 39), st.integers(1, 12), st.integers(0, 3)), max_size=8)


@given(SPANS, st.lists(st.integers(1, 40), max_size=6))
def test_pieces_and_the_whole_give_the_same(spans: list[tuple[int, int, int]], stops: list[int]) -> None:
    text = "abcdefghijklmnopqrstuvwxyz0123456789ABCD" + "." * 12
    found = sorted((start, rank, start + size) for start, size, rank in spans)
    whole = redact(text, [Cover(start, end, rank, None) for start, rank, end in found], marker)
    redaction = Redaction(marker)
    out, before = "", 0
    for stop in [*sorted(stops), len(text)]:
        fresh = [Cover(start, end, rank, None) for start, rank, end in found if before <= start < stop]
        out += redaction.write(text, 0, fresh, stop)
        assert whole.startswith(out)
        before = stop
    assert out == whole
