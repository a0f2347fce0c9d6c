from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np

from gateway.clients.onnx import OnnxBackend
from gateway.guards.models.embedder import WIDTH, load_embedder
from tests.support.models import reader


def embedded(*calls: Sequence[str]):
    async def ask():
        read = reader()
        backend = OnnxBackend(lambda model: read(f"{model}.onnx"), timeout_s=60)
        embedder = load_embedder(backend, read)
        try:
            return [await embedder.embed(texts) for texts in calls]
        finally:
            await backend.close()

    return asyncio.run(ask())


def test_texts_that_mean_the_same_lie_near_each_other() -> None:
    (found,) = embedded(["How do I reset my password?", "I forgot my password, what now?", "Cats sleep a lot."])
    near = found @ found.T
    assert near[0, 1] > 0.6
    assert near[0, 2] < 0.2


def test_every_embedding_has_unit_length_whatever_the_text() -> None:
    (found,) = embedded(["", " ", "x", "\ud800 half", "word " * 600, "日本語", "\x00"])
    assert found.shape == (7, WIDTH)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_a_text_among_others_has_the_embedding_that_it_has_alone() -> None:
    texts = ["one text", "another, rather longer text with more words in it", "x " * 700]
    together, *alone = embedded(texts, *([text] for text in texts))
    assert np.array_equal(together, np.concatenate(alone))


def test_a_long_text_is_read_to_its_end() -> None:
    start = "The weather was fine. " * 50
    (found,) = embedded([start, start + "Cats sleep for many hours on warm roofs. " * 60])
    assert found[0] @ found[1] < 0.9


def test_nothing_is_embedded_as_nothing() -> None:
    (found,) = embedded([])
    assert found.shape == (0, WIDTH)
