"""Sizes. Medians do not tell good code from bad, the tail does: so the largest is capped."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, functions, length, name, python_files, text, tracked, tree

FILE_LINES, FUNCTION_LINES, CLASS_LINES, PARAMETERS, COMPLEXITY = 400, 60, 250, 7, 10
BANNED_STEMS = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
SUPPRESSION = re.compile(r"#\s*(noqa|ruff: noqa|type: ignore|pyright: (?!strict)|pragma: no (cover|branch))")
# Raise a ceiling only in the commit that adds a suppression, with the reason on its line.
SUPPRESSIONS_IN_PRODUCT = 0
SUPPRESSIONS_IN_TESTS = 0

PRODUCT = python_files("gateway", "plugins")
OURS = [*PRODUCT, *python_files("loadtests")]
SIZED = [path for path in tracked() if path.suffix in {".py", ".c", ".sh", ".sql"}]


def test_files_stay_short() -> None:
    lengths = {name(path): len(text(path).splitlines()) for path in SIZED}
    assert {path: lines for path, lines in lengths.items() if lines > FILE_LINES} == {}


def test_functions_stay_short() -> None:
    long = [
        f"{name(p)}:{f.lineno} {f.name}: {length(f)}" for p in OURS for f in functions(p) if length(f) > FUNCTION_LINES
    ]
    assert long == []


def test_classes_stay_short() -> None:
    classes = ((path, node) for path in OURS for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef))
    assert [f"{name(path)}:{c.lineno} {c.name}: {length(c)}" for path, c in classes if length(c) > CLASS_LINES] == []


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """What a caller can pass; ``self`` and ``cls`` are not passed."""
    named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return sum(argument.arg not in {"self", "cls"} for argument in named)


def test_functions_take_few_parameters() -> None:
    many = [f"{name(p)}:{f.lineno} {f.name}" for p in OURS for f in functions(p) if parameters(f) > PARAMETERS]
    assert many == []


def test_functions_stay_simple() -> None:
    """ruff counts, without listening to suppressions."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--ignore-noqa", "--select", "C901"),
            *("--config", f"lint.mccabe.max-complexity={COMPLEXITY}", "--output-format", "concise"),
            *(name(path) for path in OURS),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert [name(path) for path in tracked() if path.stem.removeprefix("test_").strip("_") in BANNED_STEMS] == []


def has_behaviour(path: Path) -> bool:
    """The module defines a function that does something: one outside a Protocol."""
    declared = {
        id(method)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).startswith("Protocol") for base in node.bases)
        for method in ast.walk(node)
    }
    return any(id(node) not in declared for node in functions(path))


def mirror_of(path: Path) -> Path:
    """``gateway/a/b.py`` is tested by ``tests/a/test_b.py``; a package's ``__init__`` by ``test_<package>.py``."""
    inside = path.relative_to(ROOT / "gateway")
    if path.name == "__init__.py":
        inside = inside.parent
    return ROOT / "tests" / inside.parent / f"test_{inside.stem.strip('_')}.py"


def test_every_module_has_its_test_file() -> None:
    wanted = {name(mirror_of(path)) for path in python_files("gateway") if has_behaviour(path)}
    assert sorted(path for path in wanted if not (ROOT / path).is_file()) == []


@pytest.mark.parametrize(
    ("folders", "ceiling"),
    [(("gateway", "plugins"), SUPPRESSIONS_IN_PRODUCT), (("tests", "loadtests"), SUPPRESSIONS_IN_TESTS)],
    ids=["product", "tests"],
)
def test_suppressions_do_not_creep_in(folders: tuple[str, ...], ceiling: int) -> None:
    found = [
        f"{name(path)}:{number}"
        for path in python_files(*folders)
        for number, line in enumerate(text(path).splitlines(), start=1)
        if SUPPRESSION.search(line) and path != Path(__file__)
    ]
    assert len(found) <= ceiling, found
