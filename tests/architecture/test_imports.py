"""The import rule, as pyproject.toml states it for import-linter."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from typing import Any

import pytest

from tests.architecture.sources import ROOT, functions, name, python_files, text, tracked, tree

CONFIG: dict[str, Any] = tomllib.loads(text(ROOT / "pyproject.toml"))["tool"]["importlinter"]
ROOMS = sorted(
    {path.relative_to(ROOT).parts[1] for path in python_files("gateway") if len(path.relative_to(ROOT).parts) > 2}
)
# Listed rooms whose drivers a contract lets in.
MAY_IMPORT = {
    "drivers": {"clients"},
    "http": {"clients", "listener", "operator"},
    "pydantic": {"config", "policy"},
}


def contract(identity: str) -> dict[str, Any]:
    return next(item for item in CONFIG["contracts"] if item["id"] == identity)


def test_every_contract_is_kept() -> None:
    script = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("identity", sorted(MAY_IMPORT))
def test_a_new_room_is_under_every_contract(identity: str) -> None:
    """A room that nobody listed would be free to import anything."""
    covered = {module.removeprefix("gateway.") for module in contract(identity)["source_modules"]}
    assert set(ROOMS) - covered == MAY_IMPORT[identity] & set(ROOMS)


def test_every_dialect_is_independent_of_the_others() -> None:
    dialects = {
        f"gateway.wire.{path.parent.name}"
        for path in tracked()
        if path.name == "__init__.py" and path.parent.parent == ROOT / "gateway" / "wire"
    }
    listed = set(contract("dialects")["modules"]) if dialects else set()
    assert listed == dialects


def test_imports_stand_at_the_top() -> None:
    """An import inside a function hides a cycle. Optional extras, in gateway.clients only, are what it is for."""
    late = [
        f"{name(path)}:{inner.lineno} in {node.name}"
        for path in python_files("gateway", "plugins")
        if not path.is_relative_to(ROOT / "gateway" / "clients")
        for node in functions(path)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    assert late == []


def test_importing_the_package_does_nothing() -> None:
    script = "import sys; before = set(sys.modules); import gateway; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['gateway']"
    assert len(tree(ROOT / "gateway" / "__init__.py").body) == 2, "a docstring and the version, nothing else"
