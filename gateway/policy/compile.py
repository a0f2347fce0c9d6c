"""From checked policy files to the bundle that guards apply, and to the tests that the bundle must pass."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec

from gateway.config.source import Problem
from gateway.core.verdict import Bundle, CaptureRule, Thresholds
from gateway.policy.cases import PolicyTest, compile_test
from gateway.policy.compile_detectors import DetectorCompiler
from gateway.policy.compile_rules import RuleCompiler
from gateway.policy.model import ThresholdsSpec
from gateway.policy.report import Report
from gateway.policy.sources import PolicyFile


class Compiled(msgspec.Struct, kw_only=True):
    """What came of compiling; ``bundle`` is fit for use only when there is no problem.

    Attributes:
        places: Where detectors, lists, rules and exclusions stand, by kind and name.
        used_lists: Lists that a detector refers to.
    """

    bundle: Bundle
    tests: tuple[PolicyTest, ...]
    problems: list[Problem]
    places: dict[tuple[str, str], Problem]
    used_lists: frozenset[str]


def revision_of(texts: Iterable[str]) -> str:
    """Digest the sources of a bundle, in order: 12 hexadecimal digits."""
    digest = hashlib.sha256()
    for text in texts:
        source = text.encode()
        # The length keeps two files apart from one that holds both.
        digest.update(len(source).to_bytes(8, "big"))
        digest.update(source)
    return digest.hexdigest()[:12]


def compile_bundle(files: Sequence[PolicyFile], revision: str, kinds: frozenset[str] = frozenset()) -> Compiled:
    """Compile the files of a bundle.

    Args:
        files: In order; a file stands behind those it extends.
        revision: Digest of everything the bundle was read from.
        kinds: Kinds of detectors that plugins bring.
    """
    report = Report()
    detectors = DetectorCompiler(files, report, kinds)
    for file in files:
        detectors.take(file)
    detectors.finish()
    rules = RuleCompiler(files, detectors.detectors, report)
    for file in files:
        rules.take(file)
    for file in files:
        rules.take_exclusions(file)
    bundle = Bundle(
        revision=revision,
        detectors=tuple(detectors.detectors.values()),
        rules=tuple(rules.rules.values()),
        request_scoring=_scoring(files, "request", report),
        response_scoring=_scoring(files, "response", report),
        max_chars=_normalize(files, "max_chars", report) or 0,
        unscannable=_normalize(files, "unscannable", report) or "allow",
        captures=tuple(
            CaptureRule(match=entry.match.compiled(), bodies=entry.bodies)
            for file in files
            for entry in file.spec.capture
        ),
    )
    return Compiled(
        bundle=bundle,
        tests=_tests(files, report),
        problems=report.problems,
        places=report.places,
        used_lists=frozenset(detectors.used_lists),
    )


def _tests(files: Sequence[PolicyFile], report: Report) -> tuple[PolicyTest, ...]:
    rule_ids = frozenset(name for file in files for name in file.rule_ids)
    tests: list[PolicyTest] = []
    for file in files:
        seen: dict[str, int] = {}
        for index, spec in enumerate(file.spec.tests):
            path = ("tests", index)
            if spec.name in seen:
                message = f"test '{spec.name}' is there already, on line {seen[spec.name]}"
                report.problem(file, (*path, "name"), message)
            seen.setdefault(spec.name, file.document.line(path))
            test = compile_test(file, index, rule_ids, report)
            if test is not None:
                tests.append(test)
    return tuple(tests)


def _scoring(files: Sequence[PolicyFile], direction: Literal["request", "response"], report: Report) -> Thresholds:
    """Choose thresholds: a file's own go before those of what it extends; two others must agree."""
    chosen: tuple[int, ThresholdsSpec] | None = None
    for number, file in enumerate(files):
        written: ThresholdsSpec | None = getattr(file.spec.scoring, direction)
        if written is None:
            continue
        if chosen is not None and chosen[0] not in file.sees and chosen[1] != written:
            message = f"other thresholds than in {files[chosen[0]].document.name}"
            report.problem(file, ("scoring", direction), message)
        chosen = (number, written)
    return Thresholds() if chosen is None else Thresholds(annotate=chosen[1].annotate, block=chosen[1].block)


def _normalize(files: Sequence[PolicyFile], name: Literal["max_chars", "unscannable"], report: Report) -> Any:
    chosen: tuple[int, Any] | None = None
    for number, file in enumerate(files):
        written = getattr(file.spec.normalize, name)
        if written is None:
            continue
        if chosen is not None and chosen[0] not in file.sees and chosen[1] != written:
            report.problem(file, ("normalize", name), f"not as in {files[chosen[0]].document.name}")
        chosen = (number, written)
    return None if chosen is None else chosen[1]
