from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from gateway.recording.metrics import Metrics
from tests.cli.conftest import Weighbridge
from tests.support.clock import ManualClock
from tests.support.operator_plane import OperatorPlane


@pytest.mark.parametrize("command", ["reconcile", "forecast", "estimates"])
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


def test_how_far_estimates_are(weighbridge: Weighbridge, tmp_path: Path) -> None:
    plane = OperatorPlane(tmp_path)
    try:
        done = weighbridge("spend", "estimates", "--operator", plane.address)
        assert done.stdout == b"No call has been taken for comparison yet.\n"
        worker = Metrics(0, ManualClock().unix_ms)
        worker.estimate_errors.add(("p", "openai", "input"), 104, 100)
        worker.write_snapshot(plane.run_dir / "worker-0.metrics.json")
        done = weighbridge("spend", "estimates", "--operator", plane.address)
        assert done.returncode == 0
        assert b"4.0%" in done.stdout
        done = weighbridge("spend", "estimates", "--json", "--operator", plane.address)
        assert orjson.loads(done.stdout)[0]["difference"] == 0.04
    finally:
        plane.stop()
