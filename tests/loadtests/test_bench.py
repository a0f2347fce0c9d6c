"""The runner starts, measures, reports and stops, and says what it could not start."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests import build
from loadtests.ports import free_port

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not (shutil.which("cc") or shutil.which("gcc")), reason="no C compiler"),
]


# Targets use ports up to 200 above the provider's.
ROOM = 201


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loadtests.bench", "--port", str(free_port(ROOM)), "--load-cpu", "0"]
    return subprocess.run(
        [*command, "--rounds", "1", "--secs", "0.3", *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=build.HERE.parent,
        timeout=60,
    )


def test_a_run_prints_a_table_and_writes_its_rows(tmp_path: Path) -> None:
    # The provider itself stands in for a gateway: what matters here is the runner.
    stand_in = f"again={build.compiled('provider', tmp_path)} {{port}}"
    done = run(
        "--targets", "direct", "--scenarios", "c64,burst", "--command", stand_in, "--out", str(tmp_path / "rows")
    )
    assert done.returncode == 0, done.stderr
    assert "## c64" in done.stdout
    assert "## burst" in done.stdout
    assert "| again |" in done.stdout
    rows = [json.loads(line) for line in (tmp_path / "rows").read_text().splitlines()]
    assert [(row["target"], row["scenario"]) for row in rows] == [
        ("direct", "c64"),
        ("again", "c64"),
        ("direct", "burst"),
        ("again", "burst"),
    ]
    assert all(row["ok"] > 0 and not row["bad"] for row in rows)
    assert rows[0]["cpu_us"] == 0
    assert rows[1]["cpu_us"] > 0


def test_a_target_that_does_not_start_is_named_with_its_reason_and_fails_the_run() -> None:
    done = run("--targets", "direct", "--scenarios", "c64", "--command", "gone=false {port}")
    assert done.returncode == 1
    assert "Not measured: gone: gone did not start" in done.stdout
    assert "| direct |" in done.stdout


@pytest.mark.parametrize("options", [["--targets", "unheard"], ["--scenarios", "unheard"]], ids=["target", "scenario"])
def test_a_name_nobody_knows_is_a_usage_error(options: list[str]) -> None:
    done = run(*options)
    assert done.returncode == 2
    assert "unheard" in done.stderr
