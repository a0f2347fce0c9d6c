"""Words that must not be in the tree, and handlers that may be in few places."""

from __future__ import annotations

import ast
import re
import tomllib

import pytest

from tests.architecture.sources import ROOT, name, python_files, text, tracked, tree

# Written in pieces, so that this file does not find itself.
MACHINE_PATH = re.compile(
    r"(?<![\w./~-])/(?:" + "|".join(["wo" + "rk", "fa" + "rm", "ro" + "ot", "home", "Users"]) + r")/\w"
)
REGISTRY = re.compile(
    "|".join(["pypi" + r"\.org", "python" + r"hosted", "npm" + r"js\.org", "debian" + r"\.org", "file:" + "///opt"])
)
AUTHORSHIP = re.compile(
    "(?i)"
    + "|".join(["co-auth" + "ored-by", "generated " + r"(by|with) (an? )?(ai|llm|model|assistant|claude|copilot)\b"])
)
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK"]) + r")\b")
NOT_OURS = {"LICENSE"}
# Samples of text are data, not speech of the project.
DATA = ("tests/golden/", "tests/fuzz/corpus/")

TEXTS = [
    path
    for path in tracked()
    if path.suffix not in {".png", ".ico", ".gz", ".npz", ".woff2"}
    and name(path) not in NOT_OURS
    and not name(path).startswith(DATA)
]

# The edges of both planes, the plugin runner, the shipper: where an exception that nobody declared must stop.
RUFF = tomllib.loads(text(ROOT / "pyproject.toml"))["tool"]["ruff"]["lint"]
BROAD_HANDLERS = {path for path, rules in RUFF["per-file-ignores"].items() if "BLE001" in rules}


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param(MACHINE_PATH, id="path of a machine"),
        pytest.param(REGISTRY, id="host of a package registry"),
        pytest.param(AUTHORSHIP, id="word of authorship"),
        pytest.param(UNFINISHED, id="left to do"),
    ],
)
def test_no_file_contains(pattern: re.Pattern[str]) -> None:
    found = [
        f"{name(path)}:{number}: {line.strip()[:80]}"
        for path in TEXTS
        for number, line in enumerate(text(path).splitlines(), start=1)
        if pattern.search(line)
    ]
    assert found == []


def is_broad(handler: ast.ExceptHandler) -> bool:
    """Bare, ``Exception`` or ``BaseException``, alone or in a tuple, unless everything is raised again."""
    if handler.type is not None:
        names = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}
        if not names & {"Exception", "BaseException"}:
            return False
    last = handler.body[-1]
    return not (isinstance(last, ast.Raise) and last.exc is None)


def test_broad_handlers_stay_where_they_may_be() -> None:
    assert len(BROAD_HANDLERS) <= 4
    found = [
        f"{name(path)}:{node.lineno}"
        for path in python_files("gateway", "plugins")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler) and is_broad(node) and name(path) not in BROAD_HANDLERS
    ]
    assert found == []


def test_no_mock_library_is_used() -> None:
    used = [
        name(path)
        for path in python_files("tests", "plugins", "gateway")
        if "unittest" in text(path)
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("unittest"))
        or (isinstance(node, ast.Import) and any(alias.name.startswith("unittest") for alias in node.names))
    ]
    assert used == []


def test_a_module_says_what_it_is_for() -> None:
    assert [name(path) for path in python_files("gateway") if not ast.get_docstring(tree(path))] == []


def test_the_root_is_where_it_is_thought_to_be() -> None:
    assert (ROOT / "pyproject.toml").is_file()
    assert len(TEXTS) > 40
