"""Loads scorers by name, over one backend and one embedder.

Imported only when a policy names a model: everything below needs the extra ``[models]``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from gateway.clients.onnx import OnnxBackend
from gateway.clients.triton_infer import TritonBackend
from gateway.config.settings import ModelRunner
from gateway.core.errors import Misconfigured
from gateway.guards.models import catalog
from gateway.guards.models.cross_encoder import CrossEncoder
from gateway.guards.models.embedder import VOCABULARY, Embedder
from gateway.guards.models.injection import InjectionScorer
from gateway.guards.models.names import load_names
from gateway.guards.models.scoring import Backend, Scorer
from gateway.guards.models.toxicity import ToxicityScorer
from gateway.guards.models.two_tiers import Reading
from gateway.guards.models.vocabulary import Vocabulary


def open_backend(home: Path, runner: ModelRunner) -> Backend:
    """Return what runs models; nothing is loaded, connected or started yet.

    Args:
        home: The data home.
        runner: What the configuration says.

    Raises:
        Misconfigured: The address of a server is none.
    """
    if runner.backend == "triton":
        return TritonBackend(runner.url, timeout_s=runner.timeout_s)
    return OnnxBackend(
        lambda model: catalog.load(home, f"{model}.onnx"),
        threads=runner.threads or None,
        timeout_s=runner.timeout_s,
    )


class Loader:
    """Makes scorers that share what they can.

    Args:
        backend: What runs models.
        home: The data home.
    """

    def __init__(self, backend: Backend, home: Path) -> None:
        self._backend = backend
        self._read = partial(catalog.load, home)
        self._vocabulary = Vocabulary(self._read, VOCABULARY)
        self._embedder: Embedder | None = None
        self._cross_encoder: CrossEncoder | None = None
        self._reading = Reading()

    @property
    def embedder(self) -> Embedder:
        """The one embedder."""
        if self._embedder is None:
            self._embedder = Embedder(self._backend, self._vocabulary)
        return self._embedder

    @property
    def cross_encoder(self) -> CrossEncoder:
        """The one that reads pairs of questions."""
        if self._cross_encoder is None:
            self._cross_encoder = CrossEncoder(self._backend, self._vocabulary)
        return self._cross_encoder

    def scorer(self, name: str) -> Scorer:
        """Make a scorer.

        Raises:
            Misconfigured: There is none of that name.
            ModelFailed: A file of it is missing or corrupt.
        """
        make = _MAKERS.get(name)
        if make is None:
            raise Misconfigured(f"there is no model '{name}'")
        return make(self)

    def injection(self) -> Scorer:
        """Make the scorer of orders to a model."""
        return InjectionScorer(self.embedder.embed, reading=self._reading)

    def names(self) -> Scorer:
        """Make the scorer of names and addresses."""
        return load_names(self._backend, self._read)

    def toxicity(self) -> Scorer:
        """Make the scorer of insults, threats and the like."""
        return ToxicityScorer(self.embedder.embed, reading=self._reading)


_MAKERS: Mapping[str, Callable[[Loader], Scorer]] = {
    "injection": Loader.injection,
    "names": Loader.names,
    "toxicity": Loader.toxicity,
}


def load_scorer(name: str, backend: Backend, home: Path) -> Scorer:
    """Make one scorer with an embedder of its own; raises as :meth:`Loader.scorer`."""
    return Loader(backend, home).scorer(name)
