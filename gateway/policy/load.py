"""Policy files from disk to a bundle. Nothing here raises for what a file holds; every problem is collected."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from gateway.config.source import Problem
from gateway.core.verdict import Bundle
from gateway.policy.cases import PolicyTest
from gateway.policy.compile import Compiled, compile_bundle, revision_of
from gateway.policy.sources import PolicyFile, Sources


class LoadedBundle(msgspec.Struct, frozen=True, kw_only=True):
    """What came of loading a bundle.

    Attributes:
        bundle: Ready for guards; ``None`` when anything is wrong.
        tests: The tests of its files; the bundle may be put in force when they pass. A shipped pack's tests are about
            that pack: they do not count where rules that it knows nothing of stand beside it.
        problems: Everything that is wrong, file by file, by line.
        files: What was read, for whoever looks closer.
        named: Numbers of the files that were asked for, without shipped packs that stand beside others.
        paths: Every file that it was read from; a change in one is a change of the bundle.
        compiled: What was made of it, even when something is wrong.
    """

    bundle: Bundle | None
    tests: tuple[PolicyTest, ...]
    problems: tuple[Problem, ...]
    files: tuple[PolicyFile, ...]
    named: frozenset[int]
    paths: tuple[Path, ...]
    compiled: Compiled


def load_bundle(files: Iterable[tuple[str, Path]], kinds: frozenset[str] = frozenset()) -> LoadedBundle:
    """Load the policy files of a bundle, with everything they extend and refer to.

    Args:
        files: Each file's name in messages, and the file, in order. No file at all is a bundle without rules.
        kinds: Kinds of detectors that plugins bring.
    """
    sources = Sources()
    for name, path in files:
        sources.take(name, path)
    return _loaded(sources, kinds)


def bundle_of(texts: Iterable[tuple[str, str]], kinds: frozenset[str] = frozenset()) -> LoadedBundle:
    """Load a bundle from texts, which can extend shipped packs only.

    Args:
        texts: Each file's name in messages, and its text, in order.
        kinds: Kinds of detectors that plugins bring.
    """
    sources = Sources()
    for name, text in texts:
        sources.take_text(name, text)
    return _loaded(sources, kinds)


def _loaded(sources: Sources, kinds: frozenset[str]) -> LoadedBundle:
    compiled = compile_bundle(sources.files, revision_of(sources.texts), kinds)
    order = {name: number for number, name in reversed(list(enumerate(sources.names)))}
    problems = sorted(
        dict.fromkeys((*sources.problems, *compiled.problems)),
        key=lambda problem: (order.get(problem.file, len(order)), problem.line),
    )
    everything = set(range(len(sources.files)))
    beside = {file.document.name for file in sources.files if file.shipped and set(file.sees) != everything}
    return LoadedBundle(
        bundle=None if problems else compiled.bundle,
        tests=tuple(test for test in compiled.tests if test.file not in beside),
        problems=tuple(problems),
        files=tuple(sources.files),
        named=frozenset(number for number in sources.named if sources.files[number].document.name not in beside),
        paths=tuple(sources.paths),
        compiled=compiled,
    )
