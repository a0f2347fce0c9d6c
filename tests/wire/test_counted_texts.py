from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.counted_texts import edited_in, readable_in, text_bytes, texts_in


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_texts_come_back(texts: list[str]) -> None:
    assert texts_in(text_bytes(texts)) == texts


@pytest.mark.parametrize("data", [b"\5\0\0\0ab", b"\1\0\0", b"\1\0\0\0\xff"])
def test_what_holds_no_texts(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"cut short|utf-8"):
        texts_in(data)


@given(st.lists(st.binary(max_size=9)), st.data())
def test_what_no_rule_has_edited_stays_as_it_came(pieces: list[bytes], data: st.DataObject) -> None:
    raw = b"".join(len(piece).to_bytes(4, "little") + piece for piece in pieces)
    texts = readable_in(raw)
    assert len(texts) == len(pieces)
    assert edited_in(raw, texts) == raw
    if pieces:
        at = data.draw(st.integers(0, len(pieces) - 1))
        texts[at] += "é"
        edited = b"".join(
            len(piece).to_bytes(4, "little") + piece
            for piece in (text.encode() if at == number else pieces[number] for number, text in enumerate(texts))
        )
        assert edited_in(raw, texts) == edited


@given(st.binary(max_size=12))
def test_whatever_it_is_it_can_be_read(raw: bytes) -> None:
    texts = readable_in(raw)
    assert edited_in(raw, texts) == raw
    try:
        assert texts_in(raw) == texts
    except ValueError:
        assert texts
