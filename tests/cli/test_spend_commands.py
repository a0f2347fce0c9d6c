from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.conftest import Weighbridge


@pytest.mark.parametrize("command", ["reconcile", "forecast"])
def test_each_has_an_example_and_what_every_command_has(weighbridge: Weighbridge, command: str) -> None:
    done = weighbridge("spend", command, "--help")
    assert done.returncode == 0
    assert f"example:\n  weighbridge spend {command}".encode() in done.stdout
    assert b"--operator" in done.stdout
    assert b"--json" in done.stdout


def test_options_may_stand_before_the_command_too(weighbridge: Weighbridge) -> None:
    done = weighbridge("spend", "--operator", "127.0.0.1:1", "reconcile", "pyproject.toml")
    assert done.returncode == 1
    assert b"its header is none of" in done.stderr


def test_what_they_do_is_not_imported_to_describe_them() -> None:
    script = "import sys, argparse, gateway.cli.spend as s; s.register(argparse.ArgumentParser().add_subparsers());"
    script += "print('gateway.core.bill' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout == b"False\n"
