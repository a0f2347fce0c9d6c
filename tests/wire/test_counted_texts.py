from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.counted_texts import text_bytes, texts_in


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_texts_come_back(texts: list[str]) -> None:
    assert texts_in(text_bytes(texts)) == texts


@pytest.mark.parametrize("data", [b"\5\0\0\0ab", b"\1\0\0", b"\1\0\0\0\xff"])
def test_what_holds_no_texts(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"cut short|utf-8"):
        texts_in(data)
