"""The work of ``weighbridge serve`` up to where processes would be started."""

from __future__ import annotations

import subprocess
import sys

from gateway.cli.main import main
from gateway.clients import hyperscan


def test_a_wrong_configuration_starts_nothing_and_says_all(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yaml").write_text("version: 1\nworkers: -1\nnonsense: 2\n")
    assert main(["serve", "-c", "bad.yaml"]) == 1
    said = capsys.readouterr().err
    assert "bad.yaml:2" in said
    assert "bad.yaml:3" in said
    # What was being compiled meanwhile has ended with it.
    assert not hyperscan._AHEAD


def test_a_sidecar_starts_without_what_it_does_not_need():
    script = "import sys; import gateway.cli.serving; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    # Each of them takes a noticeable part of the second in which a sidecar should be ready.
    assert not {"aiohttp", "importlib.metadata", "gateway.operator.process", "tiktoken", "redis"} & set(loaded)
