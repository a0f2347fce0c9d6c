from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gateway.clients.packages import Package
from gateway.core.errors import Misconfigured
from gateway.guards.models import building, catalog
from tests.support.models import built_home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    shutil.copytree(catalog.folder(built_home()), catalog.folder(tmp_path))
    return tmp_path


def refuse(package: Package, wheels: Path | None, into: Path) -> Path:
    raise Misconfigured("no index here")


def test_what_is_up_to_date_is_left_alone(home: Path, monkeypatch) -> None:
    monkeypatch.setattr(building.packages, "obtain", refuse)
    said: list[str] = []
    assert not building.build(home, None, said.append)
    assert said == ["embedder: up to date", "names: up to date"]


def test_what_is_damaged_is_built_again_alone_and_the_same(home: Path) -> None:
    whole = catalog.manifest(catalog.folder(home))
    (catalog.folder(home) / "names.onnx").write_bytes(b"damaged")
    said: list[str] = []
    assert building.build(home, None, said.append)
    assert said[0] == "embedder: up to date"
    assert any(step.startswith("names: names.onnx") for step in said)
    assert catalog.manifest(catalog.folder(home)) == whole
    assert {report.state for report in catalog.inspect(home, catalog.recipe())} == {"ok"}


def test_a_build_that_fails_leaves_what_was_there(home: Path, monkeypatch) -> None:
    models = catalog.folder(home)
    (models / "names-labels.json").unlink()
    before = {path.name: path.read_bytes() for path in models.iterdir() if path.is_file()}
    monkeypatch.setattr(building.packages, "obtain", refuse)
    with pytest.raises(Misconfigured, match="no index here"):
        building.build(home, None, lambda step: None)
    assert {path.name: path.read_bytes() for path in models.iterdir() if path.is_file()} == before
    assert not list(models.glob(".building-*"))


def test_what_a_killed_build_left_is_swept_away(home: Path) -> None:
    left = catalog.folder(home) / ".building-dead"
    left.mkdir()
    (left / "half").write_bytes(b"x")
    building.build(home, None, lambda step: None)
    assert not left.exists()


def test_attributions_name_author_source_and_licence() -> None:
    told = building.attribution()
    for wanted in ("National Design Studio", "CC-BY-4.0", "Apache-2.0", "all-MiniLM-L6-v2", "rounded"):
        assert wanted in told
