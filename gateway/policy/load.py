"""Policy files from disk to a bundle. Nothing here raises for what a file holds; every problem is collected."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import msgspec

from gateway.config.source import Document, Problem, load_yaml, read_text
from gateway.config.validation import validated
from gateway.core.verdict import Bundle
from gateway.policy.compile import PolicyFile, PolicyTest, compile_bundle
from gateway.policy.model import PolicySpec


class LoadedBundle(msgspec.Struct, frozen=True, kw_only=True):
    """What came of loading a bundle.

    Attributes:
        bundle: Ready for guards; ``None`` when anything is wrong.
        tests: The tests of its files; the bundle may be put in force when they pass.
        problems: Everything that is wrong, file by file, by line.
    """

    bundle: Bundle | None
    tests: tuple[PolicyTest, ...]
    problems: tuple[Problem, ...]


def load_bundle(files: Iterable[tuple[str, Path]]) -> LoadedBundle:
    """Load the policy files of a bundle.

    Args:
        files: Each file's name in messages, and the file, in order. No file at all is a bundle without rules.
    """
    sources: list[tuple[str, str]] = []
    unreadable: list[Problem] = []
    for name, path in files:
        text, problem = read_text(path, name)
        if problem is None:
            sources.append((name, text))
        else:
            unreadable.append(problem)
    loaded = bundle_of(sources)
    if not unreadable:
        return loaded
    return LoadedBundle(bundle=None, tests=loaded.tests, problems=(*unreadable, *loaded.problems))


def bundle_of(sources: Iterable[tuple[str, str]]) -> LoadedBundle:
    """Load a bundle from texts.

    Args:
        sources: Each file's name in messages, and its text, in order.
    """
    problems: list[Problem] = []
    files: list[PolicyFile] = []
    names: list[str] = []
    for name, text in sources:
        names.append(name)
        document = load_yaml(text, name)
        checked = validated(PolicySpec, document)
        problems += checked.problems
        if checked.value is not None:
            files.append(
                PolicyFile(text=text, document=checked.document, spec=checked.value, rule_ids=_rule_ids(document))
            )
    compiled = compile_bundle(files)
    problems += compiled.problems
    problems.sort(key=lambda problem: (names.index(problem.file), problem.line))
    return LoadedBundle(bundle=None if problems else compiled.bundle, tests=compiled.tests, problems=tuple(problems))


def _rule_ids(document: Document) -> frozenset[str]:
    rules = document.data.get("rules")
    listed = cast("list[object]", rules) if isinstance(rules, list) else []
    return frozenset(str(cast("dict[str, object]", rule).get("id")) for rule in listed if isinstance(rule, dict))
