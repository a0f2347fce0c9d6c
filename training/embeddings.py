"""Embeds what training reads, each text once: vectors are kept by the digest of model and text."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from gateway.guards.models.embedder import MODEL, WIDTH, load_embedder

_BATCH = 2_000


class OneThread:
    """A :class:`gateway.guards.models.scoring.Backend` that runs a model at once, for programs that wait for it.

    Args:
        home: Where ``weighbridge models build`` put the models.
        model: Which.
    """

    def __init__(self, home: Path, model: str = MODEL) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_mem_pattern = False
        self.model = (home / f"{model}.onnx").read_bytes()
        self._session = onnxruntime.InferenceSession(self.model, options, providers=["CPUExecutionProvider"])
        self._outputs = [output.name for output in self._session.get_outputs()]

    async def run(self, model: str, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Run one batch."""
        return dict(zip(self._outputs, self._session.run(None, dict(inputs)), strict=True))

    async def run_each(
        self, model: str, windows: Sequence[Mapping[str, NDArray[Any]]]
    ) -> list[Mapping[str, NDArray[Any]]]:
        """Run one batch after the other."""
        return [await self.run(model, window) for window in windows]

    async def close(self) -> None:
        """Let go of nothing."""


class Vectors:
    """Embeddings of texts, kept between runs.

    Args:
        home: Where the embedder lies.
        cache: Where vectors are kept.
    """

    def __init__(self, home: Path, cache: Path) -> None:
        backend = OneThread(home)
        self._embedder = load_embedder(backend, lambda name: (home / name).read_bytes())
        self._model = hashlib.sha256(backend.model).digest()
        self._folder, self._stem = cache, f"vectors-{self._model.hex()[:12]}"
        self._known: dict[bytes, int] = {}
        self._rows: NDArray[np.float32] = np.zeros((0, WIDTH), dtype=np.float32)
        for path in sorted(cache.glob(f"{self._stem}*.npz")):
            with np.load(path) as stored:
                self._add([key.tobytes() for key in stored["keys"]], stored["rows"])

    def of(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return ``float32[n_texts, 384]``."""
        keys = [hashlib.sha256(self._model + text.encode("utf-8", "surrogatepass")).digest()[:16] for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._known}
        wanted = list(missing.items())
        for first in range(0, len(wanted), _BATCH):
            batch = wanted[first : first + _BATCH]
            made = asyncio.run(self._embedder.embed([text for _, text in batch]))
            self._add([key for key, _ in batch], made)
            self._keep([key for key, _ in batch], made)
        return self._rows[[self._known[key] for key in keys]]

    def _add(self, keys: list[bytes], rows: NDArray[np.float32]) -> None:
        for number, key in enumerate(keys):
            self._known[key] = len(self._rows) + number
        self._rows = np.concatenate((self._rows, rows))

    def _keep(self, keys: list[bytes], rows: NDArray[np.float32]) -> None:
        """Write a batch into a file of its own, so that two runs side by side lose nothing."""
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{self._stem}-{keys[0].hex()}.npz"
        # As numbers: a type of bytes would drop zeros at the end.
        np.savez(self._folder / name, rows=rows, keys=np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, 16))
