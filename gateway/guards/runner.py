"""Detectors that find in one text and are no patterns: what they find becomes matches, what fails becomes a word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from time import perf_counter_ns
from typing import cast

import msgspec

from gateway.core.verdict import DetectorSpec
from gateway.guards.cover import Cover, Hit, Mark
from gateway.guards.detectors.registry import Form
from gateway.guards.memo import MIN_CHARS, Memo
from gateway.plugin.guard import (
    About,
    Detector,
    Finding,
    JoinedDetector,
    PieceDetector,
    TextDetector,
    ViewingDetector,
    scope_of,
)
from gateway.plugin.runner import DetectorFailed, find_across, find_in_piece, find_in_text, pending_in, views_read

# A detector is worth remembering from this many nanoseconds a character on; the digest of a text costs one or two.
_DEAR_NS = 8.0
# Longer texts are read together anew: their digest costs more than a look at where they meet.
_MOST_JOINED = 32_768
# How much of what was measured before a new measurement leaves.
_KEPT = 0.9


class Named(msgspec.Struct, frozen=True):
    """A detector of the bundle that is no pattern: its place, what the policy says of it, and itself."""

    number: int
    rank: int
    spec: DetectorSpec
    form: Form
    detector: Detector


class Found(msgspec.Struct):
    """What a detector made of one text.

    Attributes:
        covers: Stretches of it.
        points: Findings about the text as a whole, and those that only advise.
        error: Why it could not judge; empty when it could.
    """

    covers: list[Cover] = []
    points: list[Hit] = []
    error: str = ""


class Raw(msgspec.Struct, frozen=True, kw_only=True):
    """What a detector itself said of a text, or why it could not judge."""

    findings: tuple[Finding, ...] = ()
    error: str = ""


class Runner:
    """Runs one detector over texts.

    Args:
        named: The detector, of the form piece or text.
        max_chars: Longer texts are not given to one that judges texts as a whole; 0 for no bound.
        memo: Remembers.
    """

    __slots__ = (
        "_detector",
        "_max_chars",
        "_memo",
        "_ns_a_char",
        "name",
        "number",
        "piece",
        "rank",
        "reach",
        "scope",
        "spec",
    )

    def __init__(self, named: Named, max_chars: int, memo: Memo) -> None:
        self.spec = named.spec
        self.name = named.spec.name
        self.number = named.number
        self.rank = named.rank
        self.piece = named.form == "piece"
        self._detector = named.detector
        self.scope = scope_of(named.detector)
        self.reach = cast("PieceDetector", named.detector).reach if self.piece else 0
        self._max_chars = max_chars
        self._memo = memo
        self._ns_a_char = 0.0

    def takes(self, about: About) -> bool:
        """Whether it looks at such texts."""
        scope = self.scope
        return about.direction in scope.directions and (not scope.kinds or about.kind in scope.kinds)

    def run(self, text: str, about: About, base: int = 0) -> Found:
        """Judge a text whose first character is number ``base`` of the whole."""
        if self._max_chars and not self.piece and len(text) > self._max_chars:
            return Found(error="too long")
        try:
            findings = self._find(text, about)
        except DetectorFailed as failed:
            return Found(error=failed.reason)
        return matched(self, findings, len(text), base) if findings else _NOTHING

    def explain(self, text: str, about: About) -> Raw:
        """Judge a text anew, whatever is remembered, and return the findings as the detector gave them."""
        if self._max_chars and not self.piece and len(text) > self._max_chars:
            return Raw(error="too long")
        try:
            if self.piece:
                return Raw(findings=tuple(find_in_piece(cast("PieceDetector", self._detector), text)))
            return Raw(findings=find_in_text(cast("TextDetector", self._detector), text, about))
        except DetectorFailed as failed:
            return Raw(error=failed.reason)

    def pending(self, text: str, at: int) -> int:
        """Return how much of a stream's text is decided for a piece detector; see :class:`PieceDetector`.

        Raises:
            DetectorFailed: It broke down.
        """
        return pending_in(cast("PieceDetector", self._detector), text, at)

    def views(self, text: str) -> tuple[str, ...]:
        """Name the views of a text that the detector reads, as far as it tells."""
        if not callable(getattr(self._detector, "read_views", None)):
            return ()
        return views_read(cast("ViewingDetector", self._detector), text)

    @property
    def joins(self) -> bool:
        """Whether it can read several texts as one."""
        return callable(getattr(self._detector, "find_joined", None))

    def run_joined(self, texts: Sequence[str], about: About) -> list[tuple[int, Found]]:
        """Judge texts of one author that follow each other; gives what was found, by the text's number."""
        # Texts that were clean together are so still; where one ends and the next begins is part of the question.
        key = None
        if sum(map(len, texts)) <= _MOST_JOINED:
            key = self._memo.key(f"{self.name}/joined", about, "".join([f"{len(text)}:{text}" for text in texts]))
            if self._memo.get(key) is not None:
                return []
        try:
            findings = find_across(cast("JoinedDetector", self._detector), texts)
        except DetectorFailed as failed:
            return [(0, Found(error=failed.reason))]
        if key is not None and not findings:
            self._memo.put(key, ())
        return [(number, matched(self, [finding], len(texts[number]))) for number, finding in findings]

    def _find(self, text: str, about: About) -> Sequence[Finding]:
        if self.piece:
            return find_in_piece(cast("PieceDetector", self._detector), text)
        detector = cast("TextDetector", self._detector)
        if len(text) < MIN_CHARS:
            return find_in_text(detector, text, about)
        key = None
        if self._ns_a_char >= _DEAR_NS:
            key = self._memo.key(self.name, about, text)
            known = self._memo.get(key)
            if known is not None:
                return known
        began = perf_counter_ns()
        findings = find_in_text(detector, text, about)
        cost = (perf_counter_ns() - began) / len(text)
        self._ns_a_char = _KEPT * self._ns_a_char + (1 - _KEPT) * cost if self._ns_a_char else cost
        if key is not None:
            self._memo.put(key, findings)
        return findings


class Holder(msgspec.Struct, frozen=True):
    """Whose findings they are, for :func:`matched`."""

    spec: DetectorSpec
    number: int
    rank: int


def matched(whose: Runner | Holder, findings: Iterable[Finding], size: int, base: int = 0) -> Found:
    """Turn findings into matches.

    Args:
        whose: The detector.
        findings: What it found in a text.
        size: The text's length; what reaches beyond is cut.
        base: Number of its first character in the whole.
    """
    found = Found(covers=[], points=[])
    spec = whose.spec
    for finding in findings:
        if finding.score is not None and finding.score < spec.min_score:
            continue
        start, end = max(0, finding.start), min(finding.end, size)
        label = finding.label or finding.kind
        if start >= end or finding.advisory:
            # What only advises is about a place and edits nothing there.
            end = max(start, end) + base
            found.points.append(
                Hit(
                    spec.name, finding.kind, label, start + base, end, finding.score, finding.view,
                    advisory=finding.advisory,
                )
            )  # fmt: skip
            continue
        mark = Mark(
            whose.number, spec.name, finding.kind, label, whose.rank, finding.score, finding.view, finding.replacement
        )  # fmt: skip
        found.covers.append(Cover(start + base, end + base, mark))
    return found


_NOTHING = Found()
