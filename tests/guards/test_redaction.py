from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.guards.cover import Cover, Mark
from gateway.guards.redaction import MAX_WAITED_CHARS, REDACT, Edit, Redaction, redact
from gateway.guards.validators import Tail
from gateway.guards.vault import PLACEHOLDER, Masks, Vault

STARS = Tail(re.compile(r"\**"))
MASK = Edit(action="mask", restore_in=("assistant_text",))
TEXT_ONLY = Edit(action="rewrite")
REMOVE = Edit(action="rewrite", remove=True)
EVERYTHING = dict.fromkeys(range(10), REDACT)


def cover(start: int, end: int, number: int, growth: Tail | None = None, offer: str | None = None) -> Cover:
    mark = Mark(number, f"d{number}", f"K{number}", str(number), number, replacement=offer)
    return Cover(start, end, mark, growth)


def masks() -> Masks:
    return Masks(Vault(b"k" * 32))


def test_the_first_of_overlapping_matches_gives_the_marker() -> None:
    covers = [cover(2, 5, 7), cover(4, 8, 1), cover(8, 9, 2)]
    assert redact("0123456789", covers, EVERYTHING) == "01[7][2]9"


def test_a_growing_match_leaves_its_marker_at_once_and_swallows_what_follows() -> None:
    redaction = Redaction(EVERYTHING, masks())
    grows = cover(1, 3, 0, STARS)
    grows.extend("aXX*", 0, final=False)
    assert redaction.write("aXX*", 0, [grows], 4) == "a[0]"
    assert redaction.busy
    grows.extend("aXX***", 0, final=False)
    assert redaction.write("aXX***", 0, [], 6) == ""
    grows.extend("aXX****b", 0, final=False)
    assert redaction.write("aXX****b", 0, [], 8) == "b"
    assert not redaction.busy


def test_undecided_text_stays() -> None:
    redaction = Redaction(EVERYTHING, masks())
    assert redaction.write("abcdef", 0, [], 3) == "abc"
    assert redaction.write("abcdef", 0, [cover(4, 6, 0)], 5) == "d[0]"
    assert redaction.write("defgh", 3, [], 8) == "gh"


def test_what_has_no_edit_is_left_alone() -> None:
    assert redact("0123456789", [cover(1, 3, 1), cover(5, 7, 2)], {2: REDACT}) == "01234[2]789"


def test_the_strongest_edit_wins_a_place_wherever_it_begins() -> None:
    edits = {1: TEXT_ONLY, 2: MASK, 3: REDACT}
    taken = masks()
    assert redact("abcdefgh", [cover(1, 4, 1, offer="x"), cover(3, 6, 3)], edits, taken) == "a[3]gh"
    assert taken.values == {}
    out = redact("abcdefgh", [cover(1, 4, 1, offer="x"), cover(3, 6, 2)], edits, taken)
    (placeholder,) = taken.values
    assert out == f"a{placeholder}gh"
    assert taken.values[placeholder].value == "bcdef"
    assert taken.values[placeholder].restore_in == ("assistant_text",)


def test_a_rewrite_puts_what_the_detector_offers_or_nothing() -> None:
    offered, bare = cover(1, 4, 1, offer="x"), cover(1, 4, 1)
    assert redact("abcdef", [offered], {1: TEXT_ONLY}) == "axef"
    assert redact("abcdef", [bare], {1: TEXT_ONLY}) == "a[1]ef", "what nobody offers anything for is redacted"
    assert redact("abcdef", [offered], {1: REMOVE}) == "aef"


def test_a_mask_waits_for_all_that_shares_its_place() -> None:
    redaction = Redaction({1: MASK, 2: REDACT}, masks())
    assert redaction.write("abcdef", 0, [cover(1, 5, 1)], 3) == "a"
    assert redaction.needs == 1
    assert redaction.write("abcdefgh", 0, [cover(4, 7, 2)], 5) == "[2]"
    assert redaction.needs is None
    assert redaction.write("abcdefgh", 0, [], 8) == "h"


def test_a_value_too_long_to_be_waited_for_is_redacted() -> None:
    text = "a" + "b" * (MAX_WAITED_CHARS + 1) + "c"
    taken = masks()
    assert redact(text, [cover(1, len(text) - 1, 1)], {1: MASK}, taken) == "a[1]c"
    assert taken.values == {}
    assert PLACEHOLDER.fullmatch(redact(text[1:-2], [cover(0, len(text) - 3, 1)], {1: MASK}, taken))


SPANS = st.lists(st.tuples(st.integers(0, 39), st.integers(1, 12), st.integers(0, 3)), max_size=8)
KINDS = (REDACT, MASK, TEXT_ONLY, REMOVE)


@given(SPANS, st.lists(st.integers(1, 40), max_size=6), st.permutations(KINDS))
def test_pieces_and_the_whole_give_the_same(
    spans: list[tuple[int, int, int]], stops: list[int], kinds: list[Edit]
) -> None:
    text = "abcdefghijklmnopqrstuvwxyz0123456789ABCD" + "." * 12
    edits = dict(enumerate(kinds))
    found = sorted((start, rank, start + size) for start, size, rank in spans)
    whole = redact(text, [cover(start, end, rank, offer="<>") for start, rank, end in found], edits, masks())
    redaction = Redaction(edits, masks())
    out, before = "", 0
    for stop in [*sorted(stops), len(text)]:
        fresh = [cover(start, end, rank, offer="<>") for start, rank, end in found if before <= start < stop]
        out += redaction.write(text, 0, fresh, stop)
        assert whole.startswith(out)
        before = stop
    assert out == whole


@pytest.mark.parametrize("seed", range(40))
def test_long_places_are_given_up_at_the_same_spot_for_every_cut(seed: int) -> None:
    source = random.Random(seed)
    size = 3 * MAX_WAITED_CHARS
    text = "".join(source.choices("abcdef", k=size))
    edits = {0: REDACT, 1: MASK, 2: TEXT_ONLY}
    spans = sorted(
        (start, source.randrange(3), min(size, start + source.randint(1, MAX_WAITED_CHARS)))
        for start in (source.randrange(size) for _ in range(6))
    )

    def covers(low: int, high: int) -> list[Cover]:
        return [cover(start, end, number, offer="<>") for start, number, end in spans if low <= start < high]

    whole = redact(text, covers(0, size), edits, masks())
    redaction = Redaction(edits, masks())
    out, before = "", 0
    for stop in [*sorted(source.sample(range(size), 20)), size]:
        out += redaction.write(text, 0, covers(before, stop), stop)
        assert whole.startswith(out)
        before = stop
    assert out == whole
