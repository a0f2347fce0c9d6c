from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from gateway.app.policies import PolicyFault
from gateway.cli import output
from gateway.cli.policy_files import bundle_in_force, refused
from gateway.config.source import Problem


def test_a_named_policy_stands_in_the_place_of_the_configuration_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    found = bundle_in_force(argparse.Namespace(config=None, policy="ours.yaml"))
    assert found == ((("ours.yaml", Path("ours.yaml")),), None, ())
    files, settings, _ = bundle_in_force(argparse.Namespace(config=None, policy=None))
    assert settings is not None
    assert [name for name, _ in files] == ["shipped/baseline.yaml"]


def test_a_configuration_that_is_wrong_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weighbridge.yaml").write_text("version: 2\n")
    with pytest.raises(PolicyFault, match="version"):
        bundle_in_force(argparse.Namespace(config=None, policy=None))


def test_every_problem_is_a_line_of_its_own(capsys: pytest.CaptureFixture[str]):
    problems = (Problem("a.yaml", 1, "is wrong"), Problem("a.yaml", 2, "is wrong, too"))
    assert refused(PolicyFault(problems)) == output.WRONG
    assert refused(ValueError("nothing there")) == output.WRONG
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 3
    assert told[-1].endswith("nothing there")
