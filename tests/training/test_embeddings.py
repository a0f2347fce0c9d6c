from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np

from gateway.config.settings import ModelRunner
from gateway.guards.models.embedder import load_embedder
from gateway.guards.models.loading import open_backend
from tests.support.models import built_home
from training.embeddings import Vectors

TEXTS = ["Where is the station?", "", "The heating has been broken since Monday.", "Where is the station?"]


def served() -> np.ndarray:
    async def embed() -> np.ndarray:
        home = built_home()
        backend = open_backend(home, ModelRunner(timeout_s=60))
        try:
            return await load_embedder(backend, lambda name: (home / "models" / name).read_bytes()).embed(TEXTS)
        finally:
            await backend.close()

    return asyncio.run(embed())


def test_training_reads_what_serving_reads_and_knows_it_again(tmp_path: Path) -> None:
    home = built_home() / "models"
    made = Vectors(home, tmp_path).of(TEXTS)
    assert np.array_equal(made, served())
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert np.array_equal(Vectors(home, tmp_path).of(TEXTS), made)
    assert sorted(path.name for path in tmp_path.iterdir()) == kept
