"""Detectors over one text: bounds, failures, and what is worth remembering."""

from __future__ import annotations

import time
from typing import Any

import pytest

from gateway.core.verdict import DetectorSpec
from gateway.guards.memo import Memo
from gateway.guards.runner import Holder, Named, Runner, matched
from gateway.plugin.guard import About, Finding
from gateway.plugin.runner import DetectorFailed
from tests.guards.handmade import Brackets, Broken, Shouting

USER = About("request", "user")


def runner(detector: Any, form: Any = "text", *, max_chars: int = 0, **spec: Any) -> Runner:
    made = DetectorSpec(name=detector.name, use="x", **spec)
    return Runner(Named(3, 7, made, form, detector), max_chars, Memo())


def test_findings_become_matches_in_the_whole_text() -> None:
    found = runner(Brackets("b"), "piece").run("a <nest>", USER, base=100)
    (cover,) = found.covers
    assert (cover.start, cover.end) == (102, 108)
    assert (cover.mark.number, cover.mark.rank, cover.mark.kind, cover.mark.replacement) == (3, 7, "bracket", "nest")


def test_what_reaches_beyond_the_text_is_cut_and_what_is_unsure_is_dropped() -> None:
    holder = Holder(DetectorSpec(name="d", use="x", min_score=0.5), 0, 0)
    findings = [
        Finding(kind="a", start=-5, end=99),
        Finding(kind="b", start=2, end=2, score=0.5),
        Finding(kind="c", start=1, end=2, score=0.4),
    ]
    found = matched(holder, findings, 10)
    assert [(cover.start, cover.end) for cover in found.covers] == [(0, 10)]
    assert [(hit.pattern, hit.score) for hit in found.points] == [("b", 0.5)]


def test_failures_are_named_and_quote_nothing() -> None:
    assert runner(Broken("x")).run("secret", USER).error == "ValueError"
    with pytest.raises(DetectorFailed) as failed:
        _pending("secret")
    assert "secret" not in str(failed.value)


def _pending(text: str) -> int:
    class Stuck(Brackets):
        def pending(self, text: str, at: int) -> int:
            raise ValueError(text)

    return runner(Stuck("s"), "piece").pending(text, 0)


def test_long_texts_are_not_given_to_those_who_judge_the_whole() -> None:
    assert runner(Shouting("s"), max_chars=5).run("x" * 6, USER).error == "too long"
    assert runner(Brackets("b"), "piece", max_chars=5).run("<abcdef>", USER).covers


class _Slow(Shouting):
    def find(self, text: str, about: About) -> list[Finding]:
        until = time.perf_counter_ns() + 50 * len(text)
        while time.perf_counter_ns() < until:
            pass
        return super().find(text, about)


def test_a_dear_detector_judges_a_text_once() -> None:
    slow = _Slow("slow")
    ran = runner(slow)
    ran.run("learn what it costs " * 20, USER)
    text = "hello there! " * 40
    first = [(c.start, c.end) for c in ran.run(text, USER).covers]
    again = [(c.start, c.end) for c in ran.run(text, USER, base=5).covers]
    assert [(start + 5, end + 5) for start, end in first] == again
    assert len(slow.seen) == 2
    ran.run("short!", USER)
    ran.run("short!", USER)
    assert len(slow.seen) == 4, "short texts are judged faster than looked up"
