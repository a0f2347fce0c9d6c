"""Kinds of detectors: found by name, imported late, told apart by their form."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.core.errors import Misconfigured
from gateway.core.verdict import DetectorSpec, PatternSpec
from gateway.guards.detectors import registry
from gateway.guards.detectors.registry import build, form_of, runs_as_pattern
from gateway.plugin.guard import About, CallFinding, Finding, Subject

WORD = (PatternSpec(name="W", expression="word", label="W", max_chars=4),)


class Piece:
    name = "piece"
    reach = 0

    def find(self, text: str) -> list[Finding]:
        return []

    def pending(self, text: str, at: int) -> int:
        return len(text)


class Text:
    name = "text"

    def find(self, text: str, about: About) -> list[Finding]:
        return []


class Calls:
    name = "calls"

    def judge(self, subject: Subject) -> list[CallFinding]:
        return []


class Outside:
    name = "outside"

    async def judge(self, texts: Sequence[tuple[str, About]]) -> list[list[Finding]]:
        return [[] for _ in texts]

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("detector", "form"), [(Piece(), "piece"), (Text(), "text"), (Calls(), "call"), (Outside(), "outside")]
)
def test_forms_are_told_apart(detector: Any, form: str) -> None:
    assert form_of(detector) == form


def test_what_is_no_detector_is_refused() -> None:
    with pytest.raises(Misconfigured, match="neither finds nor judges"):
        form_of(object())


def test_expressions_over_the_raw_text_run_in_the_common_database() -> None:
    assert runs_as_pattern(DetectorSpec(name="d", use="pattern", patterns=WORD))
    assert runs_as_pattern(DetectorSpec(name="d", use="pattern", patterns=WORD, options={"views": ["raw"]}))
    assert not runs_as_pattern(DetectorSpec(name="d", use="pattern", patterns=WORD, options={"views": ["folded"]}))
    assert not runs_as_pattern(DetectorSpec(name="d", use="tools"))


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(Misconfigured, match="'telepathy'"):
        build(DetectorSpec(name="d", use="telepathy"))


def test_a_kind_whose_module_is_missing_is_not_yet_available(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._MODULES, "later", "no_such_module")
    with pytest.raises(Misconfigured, match="not yet available"):
        build(DetectorSpec(name="d", use="later"))


def test_a_plugin_brings_kinds_and_replaces_none() -> None:
    asked: list[str] = []

    def make(spec: DetectorSpec) -> Calls:
        asked.append(spec.name)
        return Calls()

    assert isinstance(build(DetectorSpec(name="mine", use="acme"), {"acme": make}), Calls)
    assert asked == ["mine"]
    assert set(registry._MODULES) >= {"tools", "webhook", "url_egress"}


def test_no_kind_is_imported_before_it_is_named() -> None:
    script = (
        "import sys, gateway.guards.engine;"
        "print([n for n in sys.modules if n.startswith('gateway.guards.detectors.') and not n.endswith('registry')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
