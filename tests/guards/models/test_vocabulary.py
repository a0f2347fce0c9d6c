from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.core.errors import ModelFailed
from gateway.guards.models.vocabulary import Vocabulary, framed
from tests.support.models import reader


def test_a_vocabulary_is_read_when_it_is_needed_and_once() -> None:
    read: list[str] = []

    def reading(file: str) -> bytes:
        read.append(file)
        return reader()(file)

    async def cut() -> None:
        vocabulary = Vocabulary(reading, "names-tokenizer.json")
        assert read == []
        for _ in range(3):
            await vocabulary.cut("a text")
        assert read == ["names-tokenizer.json"]
        # On a thread, and the same.
        assert (await vocabulary.cut("a text " * 2_000)).ids == (await vocabulary.cut("a text")).ids * 2_000

    asyncio.run(cut())


def test_a_window_stands_between_its_marks() -> None:
    pieces = asyncio.run(Vocabulary(reader(), "embedder-tokenizer.json").cut("one two three"))
    window = framed(pieces, 1, 3)
    assert window["ids"].tolist() == [[pieces.marks[0], *pieces.ids[1:3], pieces.marks[1]]]
    assert window["mask"].tolist() == [[1, 1, 1, 1]]


def test_a_vocabulary_that_is_missing_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ModelFailed):
        asyncio.run(Vocabulary(reader(tmp_path), "names-tokenizer.json").cut("x"))
