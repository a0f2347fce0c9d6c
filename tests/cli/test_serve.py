"""``weighbridge serve`` before anything is started."""

from __future__ import annotations

import pytest

from gateway.cli.main import main


@pytest.mark.parametrize("option", [["--intercept"], ["--only-models"], ["--ext-proc", "127.0.0.1:1"]])
def test_what_is_not_built_is_refused(option, capsys):
    assert main(["serve", *option]) == 1
    assert f"{option[0]} is not yet available" in capsys.readouterr().err


def test_a_wrong_configuration_starts_nothing_and_says_all(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yaml").write_text("version: 1\nworkers: -1\nnonsense: 2\n")
    assert main(["serve", "-c", "bad.yaml"]) == 1
    said = capsys.readouterr().err
    assert "bad.yaml:2" in said
    assert "bad.yaml:3" in said
