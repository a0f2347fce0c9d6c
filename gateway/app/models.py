"""The models of a process: each loaded once, when it is first asked, whatever policies come and go."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gateway.config.environment import Options, Outside
from gateway.config.settings import ModelRunner, Settings
from gateway.core.errors import Misconfigured, ModelFailed
from gateway.guards.models.scoring import Backend, Score, Scorer
from gateway.plugin.guard import About

Load = Callable[[str], Scorer]
_LOADING = "gateway.guards.models.loading"
_EXTRA = "pip install 'weighbridge[models]'"
# What the extra brings.
_DRIVERS = {"onnx": ("numpy", "onnxruntime", "tokenizers"), "triton": ("numpy", "tokenizers")}


def _nothing_is_missing() -> None:
    """Where models were made by hand."""


class Models:
    """Loads models by name, and keeps them.

    Nothing is loaded, and no thread is started, before a model is asked something: processes are forked from one that
    has loaded policies.

    Args:
        load: Makes a model.
        check: Raises :class:`Misconfigured` where models cannot run at all.
    """

    def __init__(self, load: Load | Loading, check: Callable[[], None] = _nothing_is_missing) -> None:
        self._load = load
        self.check = check
        self._loaded: dict[str, Scorer] = {}

    def get(self, name: str) -> Scorer:
        """Return a model.

        Raises:
            Misconfigured: It is not installed.
        """
        found = self._loaded.get(name)
        if found is None:
            found = self._loaded[name] = self._load(name)
        return found

    async def embed(self, texts: Sequence[str]) -> Any:
        """Embed texts by the model that scorers ask: ``float32[n_texts, 384]``, at unit length.

        Raises:
            ModelFailed: The model cannot run here, took too long or broke down.
        """
        if not isinstance(self._load, Loading):
            raise ModelFailed("There is no model that embeds.")
        return await self._load.embed(texts)

    async def pieces(self, text: str) -> bytes:
        """Cut a question as :meth:`odds` wants it; empty where that is too long for it, or is nothing.

        Raises:
            ModelFailed: See :meth:`embed`.
        """
        return await self._cross_encoder().pieces(text)

    async def odds(self, one: bytes, other: bytes) -> float:
        """Read two questions together: the log odds that one answer does for both.

        Raises:
            ModelFailed: See :meth:`embed`.
        """
        return await self._cross_encoder().odds(one, other)

    def fresh(self) -> Models:
        """The same models for another loop."""
        load = self._load.fresh() if isinstance(self._load, Loading) else self._load
        return Models(load, self.check)

    async def close(self) -> None:
        """Let go of all of them."""
        loaded, self._loaded = self._loaded, {}
        for scorer in loaded.values():
            await scorer.close()
        if isinstance(self._load, Loading):
            await self._load.close()

    def _cross_encoder(self) -> Any:
        if not isinstance(self._load, Loading):
            raise ModelFailed("There is no model that reads two texts together.")
        return self._load.loader().cross_encoder


class Door:
    """Leads the detectors of a bundle to models that can be exchanged: those of its tests, then those of the process.

    Args:
        models: The first ones.
    """

    def __init__(self, models: Models) -> None:
        self.models = models

    def scorer(self, name: str) -> Scorer:
        """Return a model; ``GuardEngine(scorers=…)`` takes this.

        Raises:
            Misconfigured: Models cannot run here.
        """
        self.models.check()
        return _Behind(self, name)


class _Behind:
    """One model, wherever the door leads."""

    def __init__(self, door: Door, name: str) -> None:
        self.name = name
        self._door = door

    async def score(self, texts: Sequence[tuple[str, About]], at: float) -> list[list[Score]]:
        return await self._door.models.get(self.name).score(texts, at)

    def threshold(self, target_fpr: float, category: str = "") -> float:
        return self._door.models.get(self.name).threshold(target_fpr, category)

    async def close(self) -> None:
        """The model belongs to the process."""


def models_for(settings: Settings | None) -> Models:
    """Return the models of a configuration; without one, those of the data home that the environment names."""
    home = Outside(Options(), os.environ, Path.cwd()).home if settings is None else settings.home
    loading = Loading(home, ModelRunner() if settings is None else settings.policies.models)
    return Models(loading, loading.check)


class Loading:
    """Loads from the data home, over one backend for all models; imports what the extra brings only then.

    Args:
        home: The data home.
        runner: What runs models.
    """

    def __init__(self, home: Path, runner: ModelRunner) -> None:
        self._home = home
        self._runner = runner
        self._backend: Backend | None = None
        self._loader: Any = None

    def fresh(self) -> Loading:
        """The same for another loop."""
        return Loading(self._home, self._runner)

    async def close(self) -> None:
        """Let go of threads and connections; the next model that is asked starts anew."""
        backend, self._backend, self._loader = self._backend, None, None
        if backend is not None:
            await backend.close()

    def check(self) -> None:
        """See that the extra is installed.

        Raises:
            Misconfigured: It is not.
        """
        drivers = _DRIVERS[self._runner.backend]
        missing = [name for name in drivers if find_spec(name) is None]
        if missing:
            raise Misconfigured(f"it asks a model, which needs {', '.join(missing)}: {_EXTRA}")

    def __call__(self, name: str) -> Scorer:
        """Make a model; raises as :meth:`Models.get`."""
        return self._opened().scorer(name)

    async def embed(self, texts: Sequence[str]) -> Any:
        """Embed texts; see :meth:`Models.embed`."""
        return await self.loader().embedder.embed(texts)

    def loader(self) -> Any:
        """Return what has loaded the models.

        Raises:
            ModelFailed: Models cannot run here.
        """
        try:
            return self._opened()
        except ImportError:
            raise ModelFailed(f"Models need the extra [models]: {_EXTRA}.") from None
        except Misconfigured as error:
            raise ModelFailed(error.public_message) from None

    def _opened(self) -> Any:
        if self._loader is None:
            loading = import_module(_LOADING)
            self._backend = loading.open_backend(self._home, self._runner)
            self._loader = loading.Loader(self._backend, self._home)
        return self._loader
