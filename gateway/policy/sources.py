"""The files of a bundle: those that the configuration names, those they extend, and what else they refer to.

A file that others extend comes before them, and once. Everything read is remembered, so that a change in any of it is a
change of the bundle.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import cast

import msgspec

from gateway.config.shipped import shipped_policies_dir
from gateway.config.source import Document, NodePath, Problem, load_yaml, read_text
from gateway.config.validation import suggestion, validated
from gateway.policy.detectors import InjectionDetector, JsonSchemaDetector, SecretsDetector
from gateway.policy.model import PolicySpec
from gateway.policy.rulesets import SECRETS, shipped_secrets

_PACK = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_SUFFIXES = (".yaml", ".yml")
_MAX_FILES, _MAX_DEPTH = 200, 20


class Attachment(msgspec.Struct, frozen=True):
    """A file that a policy refers to: its name in messages, and its text."""

    name: str
    text: str


class PolicyFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a bundle: its text, and what was read from it.

    Attributes:
        rule_ids: Every rule's id as written; one that is wrong in itself still exists for tests that name it.
        sees: Numbers of the files whose detectors, lists and rules it may name: those it extends, and its own.
        names: What names it gives, by section; what is wrong in itself still exists for those who name it.
        attached: What it refers to, by where it does.
        shipped: It came with the product.
    """

    text: str
    document: Document
    spec: PolicySpec
    rule_ids: frozenset[str]
    sees: tuple[int, ...]
    names: dict[str, frozenset[str]]
    attached: dict[NodePath, Attachment] = {}
    shipped: bool = False


class Sources:
    """Reads files, and collects what is wrong with them.

    Attributes:
        files: In order: a file stands behind those it extends.
        problems: Everything that is wrong with them so far.
        paths: Every file that was read, or should have been.
        names: How messages call the files, in order.
        texts: What the revision is a digest of.
        named: Numbers of the files that were asked for, and are not there only because others extend them.
    """

    def __init__(self) -> None:
        self.files: list[PolicyFile] = []
        self.problems: list[Problem] = []
        self.paths: list[Path] = []
        self.names: list[str] = []
        self.texts: list[str] = []
        self.named: set[int] = set()
        # Numbers of files by path; None while a file is being read, or when nothing could be made of it.
        self._known: dict[Path, int | None] = {}
        self._open: list[Path] = []

    def take(self, name: str, path: Path) -> None:
        """Read a file that the configuration names."""
        number = self._take(name, path)
        if number is not None:
            self.named.add(number)

    def take_text(self, name: str, text: str) -> None:
        """Take a file that is not on disk; it can extend shipped packs only."""
        number = self._read(name, text, None)
        if number is not None:
            self.named.add(number)

    def _take(self, name: str, path: Path) -> int | None:
        resolved = path.resolve()
        if resolved in self._known:
            return self._known[resolved]
        self._known[resolved] = None
        self.paths.append(path)
        self._open.append(resolved)
        text, problem = read_text(path, name)
        if problem is None:
            self._known[resolved] = self._read(name, text, path.parent)
        else:
            self.names.append(name)
            self.problems.append(problem)
        self._open.pop()
        return self._known[resolved]

    def _read(self, name: str, text: str, folder: Path | None) -> int | None:
        written = load_yaml(text, name, fast=True)
        checked = validated(PolicySpec, written)
        sees: dict[int, None] = {}
        problems = list(checked.problems)
        if checked.value is not None:
            for index, other in enumerate(checked.value.extends):
                sees |= dict.fromkeys(self._extended(checked.document, index, other, folder, problems))
        self.names.append(name)
        self.texts.append(text)
        self.problems += problems
        if checked.value is None:
            return None
        number = len(self.files)
        attached = dict(self._attachments(checked.value, checked.document, folder))
        if any(
            isinstance(each, SecretsDetector) and each.rules == SECRETS for each in checked.value.detectors.values()
        ):
            self.texts.append(shipped_secrets().text)
        self.files.append(
            PolicyFile(
                text=text,
                document=checked.document,
                spec=checked.value,
                rule_ids=_rule_ids(written),
                sees=(*sees, number),
                names=_names(written),
                attached=attached,
                shipped=folder is not None and folder.resolve() == shipped_policies_dir().resolve(),
            )
        )
        return number

    def _extended(
        self, document: Document, index: int, other: str, folder: Path | None, problems: list[Problem]
    ) -> Iterable[int]:
        """Read what a file extends; returns everything that the file may name because of it."""
        where = ("extends", index)
        path, shown = _place(other, document.name, folder)
        if path is None or not path.is_file():
            packs = sorted(each.stem for each in shipped_policies_dir().glob("*.yaml"))
            problems.append(document.problem(where, f"no such policy{suggestion(other, packs)}"))
            return ()
        if path.resolve() in self._open:
            problems.append(document.problem(where, "a circle: this file is extended by what it extends"))
            return ()
        if len(self._known) >= _MAX_FILES or len(self._open) >= _MAX_DEPTH:
            problems.append(document.problem(where, "too many files extend each other"))
            return ()
        number = self._take(shown, path)
        return () if number is None else self.files[number].sees

    def _attachments(
        self, spec: PolicySpec, document: Document, folder: Path | None
    ) -> Iterator[tuple[NodePath, Attachment]]:
        for where, written in _references(spec):
            path, shown = _beside(written, document.name, folder)
            if path is None:
                message = "leads out of the policy's folder" if folder else "no folder to read it from"
                self.problems.append(document.problem(where, message))
                continue
            self.paths.append(path)
            text, problem = read_text(path, shown)
            if problem is None:
                self.texts.append(text)
                yield where, Attachment(shown, text)
            else:
                message = problem.message if problem.line == 0 else f"line {problem.line}: {problem.message}"
                self.problems.append(document.problem(where, message))


def _references(spec: PolicySpec) -> Iterator[tuple[NodePath, str]]:
    """Yield every file that a policy refers to, with where it does."""
    for name, each in spec.lists.items():
        if each.file is not None:
            yield ("lists", name, "file"), each.file
    for name, detector in spec.detectors.items():
        if isinstance(detector, JsonSchemaDetector) and isinstance(detector.schema_, str):
            yield ("detectors", name, "schema"), detector.schema_
        if isinstance(detector, (SecretsDetector, InjectionDetector)) and detector.rules.endswith(_SUFFIXES):
            yield ("detectors", name, "rules"), detector.rules


def _place(other: str, name: str, folder: Path | None) -> tuple[Path | None, str]:
    if _PACK.fullmatch(other):
        return shipped_policies_dir() / f"{other}.yaml", f"shipped/{other}.yaml"
    return _beside(other, name, folder) if other.endswith(_SUFFIXES) else (None, "")


def _beside(written: str, name: str, folder: Path | None) -> tuple[Path | None, str]:
    """Find a file that is named relative to a policy, and how messages call it."""
    relative = PurePosixPath(written)
    if folder is None or relative.is_absolute() or ".." in relative.parts:
        return None, ""
    return folder / relative, str(PurePosixPath(name).parent / relative)


def _names(document: Document) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {"detectors": set(), "lists": set()}
    for where in document.lines:
        if len(where) == 2 and where[0] in found:
            found[str(where[0])].add(str(where[1]))
    return {section: frozenset(names) for section, names in found.items()}


def _rule_ids(document: Document) -> frozenset[str]:
    data = cast("object", document.data)
    rules = cast("dict[str, object]", data).get("rules") if isinstance(data, dict) else None
    listed = cast("list[object]", rules) if isinstance(rules, list) else []
    return frozenset(str(cast("dict[str, object]", rule).get("id")) for rule in listed if isinstance(rule, dict))
