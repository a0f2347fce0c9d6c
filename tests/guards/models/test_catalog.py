from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from gateway.core.errors import ModelFailed
from gateway.guards.models import catalog
from tests.support.models import built_home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    shutil.copytree(catalog.folder(built_home()), catalog.folder(tmp_path))
    return tmp_path


def states(home: Path, recipe: str = "") -> dict[str, str]:
    return {report.file: report.state for report in catalog.inspect(home, recipe)}


def test_what_was_built_is_whole(home: Path) -> None:
    assert set(states(home).values()) == {"ok"}
    assert set(states(home)) == {file for files in catalog.MODELS.values() for file in files}
    assert catalog.load(home, "names-labels.json").startswith(b'["O"')


def test_a_flipped_bit_is_found(home: Path) -> None:
    path = catalog.folder(home) / "names.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert states(home)["names.onnx"] == "corrupt"
    with pytest.raises(ModelFailed, match=r"names\.onnx"):
        catalog.load(home, "names.onnx")


def test_a_missing_file_is_found(home: Path) -> None:
    (catalog.folder(home) / "embedder.onnx").unlink()
    assert states(home)["embedder.onnx"] == "missing"
    with pytest.raises(ModelFailed, match="weighbridge models build"):
        catalog.load(home, "embedder.onnx")


def test_nothing_is_loaded_that_no_manifest_names(tmp_path: Path, home: Path) -> None:
    with pytest.raises(ModelFailed):
        catalog.load(tmp_path / "elsewhere", "names.onnx")
    (catalog.folder(home) / catalog.MANIFEST).write_text("not a manifest")
    assert set(states(home).values()) == {"corrupt"}
    with pytest.raises(ModelFailed):
        catalog.load(home, "names.onnx")


def test_files_of_another_recipe_are_outdated(home: Path) -> None:
    built = catalog.manifest(catalog.folder(home))
    assert built is not None
    assert set(states(home, built.recipe).values()) == {"ok"}
    assert set(states(home, "another").values()) == {"outdated"}


def test_every_package_is_pinned_and_attributed() -> None:
    assert {package.builds for package in catalog.packages()} == set(catalog.MODELS)
    for package in catalog.packages():
        assert len(bytes.fromhex(package.sha256)) == 32
        assert all(msgspec.to_builtins(package).values())


def test_what_came_with_the_installation_serves_a_home_that_has_none(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "bare"
    monkeypatch.setattr(catalog, "INSTALLED", home / "models")
    assert catalog.folder(bare) == home / "models"
    assert set(states(bare).values()) == {"ok"}
    # A home's own go first, however few there are.
    (bare / "models").mkdir(parents=True)
    (bare / "models" / catalog.MANIFEST).write_bytes((home / "models" / catalog.MANIFEST).read_bytes())
    assert catalog.folder(bare) == bare / "models"
    assert set(states(bare).values()) == {"missing"}
