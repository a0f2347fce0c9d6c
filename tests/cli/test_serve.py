"""``weighbridge serve`` before anything is started."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gateway.cli.main import main


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--intercept", "see 'weighbridge ca init'"),
        ("--only-models", "is for --intercept only"),
        ("--ext-proc=here", "--ext-proc: should be host:port"),
    ],
)
def test_what_cannot_be_done_as_it_stands_is_said(option, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["serve", option]) == 1
    assert said in capsys.readouterr().err


def test_its_command_line_is_read_without_loading_the_gateway():
    script = "import sys; import gateway.cli.serve; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert not {"pydantic", "yaml", "aiohttp", "asyncio", "gateway.app.launch"} & set(loaded)
