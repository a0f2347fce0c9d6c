"""Cuts texts into the word pieces that a model reads, with where each lies: a thin wrapper over tokenizers."""

from __future__ import annotations

import importlib
from typing import Any, Literal

import msgspec

from gateway.core.errors import Misconfigured, ModelFailed

NO_TOKENIZERS = "models need the extra [models]: pip install 'weighbridge[models]'"


class _Model(msgspec.Struct, frozen=True, tag_field="type", tag="WordPiece"):
    vocab: dict[str, int]
    unk_token: str
    max_input_chars_per_word: int
    continuing_subword_prefix: Literal["##"]


class _Normalizer(msgspec.Struct, frozen=True, tag_field="type", tag="BertNormalizer"):
    clean_text: Literal[True]
    handle_chinese_chars: Literal[True]
    strip_accents: None
    lowercase: Literal[True]


class _File(msgspec.Struct, frozen=True):
    """What of ``tokenizer.json`` makes a text's pieces; a file that says something else is refused."""

    model: _Model
    normalizer: _Normalizer


class Pieces(msgspec.Struct, frozen=True):
    """A text's word pieces, without the model's own marks at its ends.

    Attributes:
        ids: The pieces' numbers.
        offsets: Where each lies, in code points of the text, half open.
        words: Which word each is of.
        marks: The numbers of the marks that the model wants around a text.
    """

    ids: list[int]
    offsets: list[tuple[int, int]]
    words: list[int]
    marks: tuple[int, int]


class WordPieces:
    """A model's vocabulary. Serves any number of threads.

    Args:
        data: ``tokenizer.json``.

    Raises:
        Misconfigured: The package ``tokenizers`` is not installed.
        ModelFailed: The file is no vocabulary of a BERT.
    """

    __slots__ = ("_marks", "_tokenizer")

    def __init__(self, data: bytes) -> None:
        try:
            tokenizers: Any = importlib.import_module("tokenizers")
        except ImportError:
            raise Misconfigured(NO_TOKENIZERS) from None
        try:
            model = msgspec.json.decode(data, type=_File).model
            self._marks = model.vocab["[CLS]"], model.vocab["[SEP]"]
        except (msgspec.MsgspecError, KeyError):
            raise ModelFailed("A model's vocabulary cannot be read.") from None
        # Put together here, since the package's own reader says what is wrong by bare exceptions; and without what it
        # would do at the ends of texts: windows and their marks are ours.
        pieces = tokenizers.models.WordPiece(
            model.vocab, unk_token=model.unk_token, max_input_chars_per_word=model.max_input_chars_per_word
        )
        self._tokenizer = tokenizers.Tokenizer(pieces)
        self._tokenizer.normalizer = tokenizers.normalizers.BertNormalizer()
        self._tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()

    def cut(self, text: str) -> Pieces:
        """Cut a text; the time is linear in its length."""
        # A lone surrogate cannot be handed to the tokenizer; a question mark has the same length.
        encoding = self._tokenizer.encode(text.encode("utf-8", "replace").decode(), add_special_tokens=False)
        return Pieces(encoding.ids, encoding.offsets, encoding.word_ids, self._marks)
