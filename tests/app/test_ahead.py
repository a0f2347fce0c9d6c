from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.app.ahead import compile_ahead
from gateway.app.policies import load_guards
from gateway.clients import hyperscan
from gateway.config.shipped import shipped_policies_dir


@pytest.fixture(autouse=True)
def nothing_compiled() -> Iterator[None]:
    hyperscan._compile_many.cache_clear()
    yield
    assert not hyperscan._AHEAD


def test_the_baseline_takes_what_was_compiled_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = compile_ahead(None, {}, tmp_path)
    assert ahead is not None
    ahead.join()

    def refuse(expressions: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr(hyperscan, "_compiled", refuse)
    load_guards((("baseline.yaml", shipped_policies_dir() / "baseline.yaml"),))


def test_it_is_forgotten_when_nobody_has_taken_it(tmp_path: Path) -> None:
    ahead = compile_ahead(None, {}, tmp_path)
    assert ahead is not None
    ahead.forget()
    assert not ahead.is_alive()


@pytest.mark.parametrize("named", ["weighbridge.yaml", "other.yaml", "variable.yaml"])
def test_nothing_is_compiled_for_a_configuration_that_chooses_its_bundle(tmp_path: Path, named: str) -> None:
    (tmp_path / named).write_text("version: 1\npolicies: {bundle: [words.yaml]}\n")
    config = named if named == "other.yaml" else None
    environ = {"WEIGHBRIDGE_CONFIG": named} if named == "variable.yaml" else {}
    assert compile_ahead(config, environ, tmp_path) is None


def test_a_configuration_that_does_not_choose_has_the_baseline(tmp_path: Path) -> None:
    (tmp_path / "weighbridge.yaml").write_text("version: 1\n")
    ahead = compile_ahead(None, {}, tmp_path)
    assert ahead is not None
    ahead.forget()
