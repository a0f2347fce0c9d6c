from __future__ import annotations

import functools

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from gateway.clients.word_pieces import WordPieces
from gateway.core.errors import ModelFailed
from tests.support.models import reader


@pytest.fixture(scope="module")
def pieces() -> WordPieces:
    return WordPieces(reader()("embedder-tokenizer.json"))


def test_a_text_is_cut_into_pieces_that_lie_where_they_stand(pieces: WordPieces) -> None:
    text = "Unbelievable, É!"
    found = pieces.cut(text)
    assert [text[start:end] for start, end in found.offsets] == ["Unbelievable", ",", "É", "!"]
    assert found.words == [0, 1, 2, 3]
    assert len(found.ids) == 4


def test_pieces_of_one_word_know_it(pieces: WordPieces) -> None:
    found = pieces.cut("xylophonists")
    assert len(found.ids) > 1
    assert set(found.words) == {0}


def test_marks_are_not_among_the_pieces(pieces: WordPieces) -> None:
    found = pieces.cut("no marks here")
    assert not set(found.marks) & set(found.ids)
    assert pieces.cut("").ids == []


def test_a_long_text_is_not_cut_short(pieces: WordPieces) -> None:
    assert len(pieces.cut("word " * 5_000).ids) == 5_000


@functools.cache
def of_names() -> WordPieces:
    return WordPieces(reader()("names-tokenizer.json"))


@given(st.text(alphabet=st.characters(), max_size=60))
def test_every_text_can_be_cut_within_its_bounds(text: str) -> None:
    found = of_names().cut(text)
    assert all(0 <= start <= end <= len(text) for start, end in found.offsets)
    assert len(found.ids) == len(found.offsets) == len(found.words)


@pytest.mark.parametrize("data", [b"", b"{}", b"not json", b"\xff"])
def test_what_is_no_vocabulary_is_refused(data: bytes) -> None:
    with pytest.raises(ModelFailed):
        WordPieces(data)


@pytest.mark.parametrize("file", ["embedder-tokenizer.json", "names-tokenizer.json"])
def test_pieces_are_those_of_the_file(file: str) -> None:
    data = reader()(file)
    theirs = tokenizers.Tokenizer.from_str(data.decode())
    theirs.no_truncation()
    theirs.no_padding()
    ours = WordPieces(data)
    for text in ("Ünïcode & punctuation-marks, 12/34; 漢字 한글 \u200bzero", "x" * 300, "A\tB\r\nC"):
        assert ours.cut(text).ids == theirs.encode(text, add_special_tokens=False).ids
    # A mark that somebody writes into a text is text.
    found = ours.cut("[CLS] is a word here")
    assert not set(found.marks) & set(found.ids)
