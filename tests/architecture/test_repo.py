"""The shape of the repository and the promises of its two commands."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib

import pytest

import gateway
from tests.architecture.sources import ROOT, name, text, tracked

TOP_LEVEL = {
    *(".ci", ".dockerignore", ".gitattributes", ".gitignore", "Dockerfile", "LICENSE", "Makefile"),
    *("CHANGELOG.md", "CONTRIBUTING.md", "PERFORMANCE.md", "README.md", "SECURITY.md"),
    *(
        "deploy",
        "docs",
        "gateway",
        "loadtests",
        "plugins",
        "policies",
        "pyproject.toml",
        "requirements",
        "tests",
        "training",
    ),
}
TARGETS = ["run", "test", "check", "bench", "models", "fuzz", "audit", "image", "sbom"]
LOCKS = ["runtime", "embedded", "dev", "train"]
# Of programs that build or check; nothing of the product is in them.
TOOLS = ["build", "deploy"]
PINNED = re.compile(r"^([a-z0-9._-]+)==", re.MULTILINE)
PROJECT = tomllib.loads(text(ROOT / "pyproject.toml"))["project"]


def pins(lock: str) -> set[str]:
    return set(PINNED.findall(text(ROOT / "requirements" / f"{lock}.lock")))


def test_the_top_level_stays_tidy() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} - TOP_LEVEL == set()


@pytest.mark.parametrize("target", TARGETS)
def test_make_knows_the_target(target: str) -> None:
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_ci_runs_the_whole_suite_and_nothing_else() -> None:
    script = ROOT / ".ci" / "run"
    lines = [line for line in text(script).splitlines() if line and not line.startswith("#")]
    assert os.access(script, os.X_OK)
    assert lines == ["set -e", 'cd "$(dirname "$0")/.."', "make test"]


def test_the_readme_shows_the_two_commands() -> None:
    readme = text(ROOT / "README.md")
    assert "make run" in readme
    assert "make test" in readme


def test_the_package_and_the_distribution_agree() -> None:
    assert PROJECT["name"] == "weighbridge"
    assert PROJECT["scripts"] == {"weighbridge": "gateway.cli.main:main"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", gateway.__version__)


def test_the_shipped_policies_are_reached_through_the_package() -> None:
    link = ROOT / "gateway" / "_policies"
    assert link.is_symlink()
    assert link.resolve() == ROOT / "policies"
    assert any(link.glob("*.yaml"))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_every_dependency_with_hashes_and_names_no_place(lock: str) -> None:
    content = text(ROOT / "requirements" / f"{lock}.lock")
    declared = {re.split(r"[<>=\[]", line)[0] for line in PROJECT["dependencies"]}
    assert declared <= pins(lock)
    assert_checked(content, lock)


@pytest.mark.parametrize("lock", TOOLS)
def test_a_lock_of_tools_pins_them_with_hashes_and_names_no_place(lock: str) -> None:
    assert_checked(text(ROOT / "requirements" / f"{lock}.lock"), lock)


def assert_checked(content: str, lock: str) -> None:
    assert content.count("--hash=sha256:") >= len(pins(lock)) > 0
    assert "://" not in content
    assert "/" not in content


def test_the_locks_agree_with_each_other() -> None:
    versions: dict[str, set[str]] = {}
    for lock in LOCKS + TOOLS:
        for line in text(ROOT / "requirements" / f"{lock}.lock").splitlines():
            if not line.startswith((" ", "#")):
                versions.setdefault(line.split("==")[0], set()).add(line.split(";")[0].strip())
    assert {project for project, lines in versions.items() if len(lines) > 1} == set()
    assert pins("runtime") < pins("embedded") < pins("dev")


def test_the_lean_sidecar_stays_lean() -> None:
    heavy = {
        "numpy",
        "pandas",
        "pyarrow",
        "chdb-core",
        "onnxruntime",
        "tokenizers",
        "grpcio",
        "protobuf",
        "tritonclient",
    }
    assert pins("runtime") & heavy == set()


def test_no_tracked_file_is_large() -> None:
    assert [name(path) for path in tracked() if path.stat().st_size > 1_000_000] == []
