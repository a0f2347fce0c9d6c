from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from gateway.app.policies import PolicyFault
from gateway.cli.policy_files import bundle_in_force


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
