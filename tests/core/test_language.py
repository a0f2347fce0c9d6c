"""That no text breaks the telling of languages; what it tells is tested where rules use it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.language import MOST_CHARS, detect
from gateway.core.language_profiles import CODES


@given(st.text(max_size=80))
def test_any_text_is_of_a_known_language_or_of_none(text: str) -> None:
    found = detect(text)
    assert found is None or (found[0] in CODES and 0.0 <= found[1] <= 1.0)


@pytest.mark.parametrize("text", ["", "42", "ok", "x = y ** 2", "😀😀", "Zürich", "INV-2024-00017"])
def test_what_says_too_little_stays_unknown(text: str) -> None:
    assert detect(text) is None


def test_the_middle_of_a_long_text_is_not_read() -> None:
    around = "Please write a function that sorts a list of the numbers. " * (MOST_CHARS // 80)
    found = detect(around + "Wie kann ich das nicht und auch noch? " * 1000 + around)
    assert found is not None
    assert found[0] == "en"
