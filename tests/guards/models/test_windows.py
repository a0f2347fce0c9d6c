from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from gateway.guards.models.windows import STEP_CHARS, WHOLE_CHARS, WINDOW_CHARS, correction, windows

TEXTS = st.text(st.sampled_from("ab \n你é"), max_size=4_000)


@given(TEXTS)
def test_windows_cover_a_text_and_each_is_short(text: str) -> None:
    spans = windows(text)
    assert [spans[0][0], spans[-1][1]] == [0, len(text)] if text else spans == []
    assert all(0 < end - start <= WHOLE_CHARS for start, end in spans)
    assert all(later[0] <= earlier[1] and later[0] > earlier[0] for earlier, later in itertools.pairwise(spans))


def test_a_short_text_is_one_window() -> None:
    assert windows("x" * WHOLE_CHARS) == [(0, WHOLE_CHARS)]


def test_what_lies_across_a_cut_is_whole_in_one_window() -> None:
    text = "word " * 2_000
    spans = windows(text)
    overlap = WINDOW_CHARS - STEP_CHARS - 100
    for place in range(0, len(text) - overlap, 37):
        assert any(start <= place and place + overlap <= end for start, end in spans)


def test_windows_begin_at_words_where_there_are_any() -> None:
    text = "harmless " * 500
    assert all(start == 0 or text[start - 1] == " " for start, _ in windows(text))


def test_more_windows_need_a_higher_score() -> None:
    assert correction(1, 0.5) == 0.0
    assert correction(8, 0.5) == 1.5
