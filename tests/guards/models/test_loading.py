from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.clients.onnx import OnnxBackend
from gateway.clients.triton_infer import TritonBackend
from gateway.config.settings import ModelRunner
from gateway.core.errors import Misconfigured, ModelFailed
from gateway.guards.models import catalog
from gateway.guards.models.loading import Loader, load_scorer, open_backend
from gateway.plugin.guard import About
from tests.support.models import built_home

TEXTS = [("My name is Maria Keller.", About("request", "user"))]


def test_the_configuration_says_what_runs_models(tmp_path: Path) -> None:
    assert isinstance(open_backend(tmp_path, ModelRunner()), OnnxBackend)
    assert isinstance(open_backend(tmp_path, ModelRunner(backend="triton", url="http://t:8000")), TritonBackend)


def test_a_scorer_is_loaded_by_name() -> None:
    async def ask() -> None:
        backend = open_backend(built_home(), ModelRunner(timeout_s=30))
        try:
            [[found]] = await load_scorer("names", backend, built_home()).score(TEXTS, 0.8)
            assert (found.category, found.start, found.end) == ("PERSON", 11, 23)
        finally:
            await backend.close()

    asyncio.run(ask())


def test_scorers_share_the_embedder(tmp_path: Path) -> None:
    loader = Loader(open_backend(tmp_path, ModelRunner()), tmp_path)
    assert loader.embedder is loader.embedder


@pytest.mark.parametrize("name", ["injection", "toxicity"])
def test_what_was_trained_is_loaded_by_name_or_fails_by_name(name: str, tmp_path: Path) -> None:
    loader = Loader(open_backend(tmp_path, ModelRunner()), tmp_path)
    if not (catalog.SHIPPED / "heads.json").is_file():
        with pytest.raises(ModelFailed):
            loader.scorer(name)
    else:
        assert loader.scorer(name).name == name


def test_another_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured):
        load_scorer("palmistry", open_backend(tmp_path, ModelRunner()), tmp_path)


def test_without_files_every_call_fails_and_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelFailed, match="weighbridge models build"):
        load_scorer("names", open_backend(tmp_path, ModelRunner()), tmp_path)
