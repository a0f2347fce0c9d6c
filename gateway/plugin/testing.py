"""Checks that any detector must pass, for the tests of whoever writes one.

Give each check texts in which the detector finds something, texts in which it almost does, and texts of every other
kind that comes to mind; the checks cut them, repeat them and look at what comes back. Nothing here needs a test runner:
what is broken is an :class:`AssertionError` that says what the contract is, and does not quote the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from inspect import iscoroutinefunction
from typing import Any, cast

import msgspec

from gateway.core.segments import KEY
from gateway.plugin.guard import (
    About,
    CallDetector,
    CallFinding,
    Finding,
    OutsideDetector,
    PieceDetector,
    Subject,
    TextDetector,
)

_ANSWER = About("response", "assistant")


class ContractBroken(AssertionError):
    """A detector does not do what guards rely on."""


def check_piece(detector: PieceDetector, texts: Iterable[str]) -> None:
    """Check a detector that works piece by piece, for every way in which a text can be cut in two.

    Args:
        detector: The detector.
        texts: A few hundred characters each: the work grows with the square of their length.

    Raises:
        ContractBroken: The law of :class:`PieceDetector` does not hold, or findings are not as they should be.
    """
    _name(detector)
    reach: Any = detector.reach
    _holds(isinstance(reach, int) and reach >= 0, "reach is a number of characters")
    for text in texts:
        found = _found(detector.find(text), text)
        _holds(found == detector.find(text), "the same text has the same findings")
        decided = 0
        for cut in range(len(text) + 1):
            decided = _check_cut(detector, text, cut, decided, found)


def check_text(detector: TextDetector, texts: Iterable[str], about: About = _ANSWER) -> None:
    """Check a detector that judges whole texts.

    Raises:
        ContractBroken: Findings are not as they should be, or depend on what was asked before.
    """
    _name(detector)
    known = [(text, _found(detector.find(text, about), text)) for text in ("", *texts)]
    for text, found in reversed(known):
        _holds(found == list(detector.find(text, about)), "the same text has the same findings")


def check_call(detector: CallDetector, subjects: Iterable[Subject]) -> None:
    """Check a detector that judges requests and answers as a whole.

    Raises:
        ContractBroken: Findings lead nowhere, depend on what was asked before, or the document was changed.
    """
    _name(detector)
    for subject in subjects:
        before = msgspec.json.encode(subject.document)
        found: list[Any] = list(detector.judge(subject))
        for finding in found:
            _holds(isinstance(finding, CallFinding) and bool(finding.kind), "findings are CallFinding, with a kind")
            _holds(_leads(subject.document, finding), "a finding's path leads to something")
            _score(finding.score)
        _holds(found == list(detector.judge(subject)), "the same document has the same findings")
        _holds(msgspec.json.encode(subject.document) == before, "the document is not changed")


async def check_outside(detector: OutsideDetector, texts: Sequence[str], about: About = _ANSWER) -> None:
    """Check a detector that asks someone else, who must be there; it is closed at the end, twice.

    Raises:
        ContractBroken: Findings are not as they should be.
    """
    _name(detector)
    _holds(iscoroutinefunction(detector.judge), "judge is awaited")
    asked = [(text, about) for text in texts]
    answered = await detector.judge(asked)
    _holds(len(answered) == len(asked), "there are findings for each text, or an empty list")
    for text, found in zip(texts, answered, strict=True):
        _found(found, text)
    _holds(await detector.judge([]) == [], "no text has no findings")
    await detector.close()
    await detector.close()


def _check_cut(detector: PieceDetector, text: str, cut: int, decided: int, found: list[Finding]) -> int:
    """Check what is said of a text's beginning; returns how much of it is decided."""
    begun = text[:cut]
    here = detector.pending(begun, decided)
    _holds(decided <= here <= cut, "pending is a place in what is not yet decided, or the length")
    _holds(
        [each for each in detector.find(begun) if each.start < here] == [each for each in found if each.start < here],
        "what is found before the place that is pending does not change, whatever follows",
    )
    base = max(0, here - detector.reach)
    shifted = [
        msgspec.structs.replace(each, start=each.start + base, end=each.end + base)
        for each in detector.find(text[base:])
    ]
    _holds(
        [each for each in shifted if each.start >= here] == [each for each in found if each.start >= here],
        "behind a place that is decided the same is found when only reach characters before it are known",
    )
    return here


def _found(findings: Sequence[Any], text: str) -> list[Finding]:
    for finding in findings:
        _holds(isinstance(finding, Finding) and bool(finding.kind), "findings are Finding, with a kind")
        _holds(0 <= finding.start <= finding.end <= len(text), "a finding lies in the text")
        _score(finding.score)
    starts = [finding.start for finding in findings if finding.end > finding.start]
    _holds(starts == sorted(starts), "findings are in order")
    return list(findings)


def _name(detector: object) -> None:
    name = getattr(detector, "name", None)
    _holds(isinstance(name, str) and bool(name), "a detector has the name under which the policy has it")


def _score(score: float | None) -> None:
    _holds(score is None or 0 <= score <= 1, "a score is a number from 0 to 1, or None")


def _leads(document: object, finding: CallFinding) -> bool:
    here: Any = document
    for step in finding.path:
        if step == KEY:
            return True
        listed = isinstance(here, list) and isinstance(step, int) and 0 <= step < len(cast("list[Any]", here))
        if not listed and not (isinstance(here, dict) and step in here):
            return False
        here = cast("Any", here)[step]
    return True


def _holds(condition: object, law: str) -> None:
    if not condition:
        raise ContractBroken(law)
