"""Runs detectors, ours and other people's alike: whatever one raises means that it could not judge.

A detector that breaks down must not take the call with it unless the policy says so (``on_error``). What it raised is
named by its type and not shown to anybody, since its message may quote the text.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar, cast

from gateway.core.errors import GatewayError
from gateway.plugin.guard import (
    About,
    CallDetector,
    CallFinding,
    Finding,
    JoinedDetector,
    OutsideDetector,
    PieceDetector,
    Subject,
    TextDetector,
    ViewingDetector,
)

T = TypeVar("T")
_NO_FINDING = "not a finding"


class DetectorFailed(Exception):
    """A detector could not judge.

    Args:
        reason: Why, in a word that quotes nothing.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def find_in_piece(detector: PieceDetector, text: str) -> Sequence[Finding]:
    """Ask a piece detector for the findings of a text.

    Raises:
        DetectorFailed: It broke down.
    """
    try:
        return _sound(detector.find(text), Finding)
    except Exception as broken:
        raise DetectorFailed(_word(broken)) from None


def pending_in(detector: PieceDetector, text: str, at: int) -> int:
    """Ask a piece detector how much of a text is decided.

    Raises:
        DetectorFailed: It broke down.
    """
    try:
        return int(detector.pending(text, at))
    except Exception as broken:
        raise DetectorFailed(_word(broken)) from None


def find_in_text(detector: TextDetector, text: str, about: About) -> tuple[Finding, ...]:
    """Ask a text detector for the findings of a text.

    Raises:
        DetectorFailed: It broke down.
    """
    try:
        return tuple(_sound(detector.find(text, about), Finding))
    except Exception as broken:
        raise DetectorFailed(_word(broken)) from None


def views_read(detector: ViewingDetector, text: str) -> tuple[str, ...]:
    """Ask a text detector which views of a text it reads; none where it breaks down, which ``find`` will tell of."""
    try:
        return tuple(map(str, detector.read_views(text)))
    except Exception:
        return ()


def find_across(detector: JoinedDetector, texts: Sequence[str]) -> Sequence[tuple[int, Finding]]:
    """Ask a text detector what runs from one text into the next.

    Raises:
        DetectorFailed: It broke down.
    """
    try:
        found = list(detector.find_joined(texts))
        _sound([finding for _, finding in found], Finding)
        if all(0 <= number < len(texts) for number, _ in found):
            return found
    except Exception as broken:
        raise DetectorFailed(_word(broken)) from None
    raise DetectorFailed(_NO_FINDING)


def judge(detector: CallDetector, subject: Subject) -> Sequence[CallFinding]:
    """Ask for a judgement of a whole request or answer.

    Raises:
        DetectorFailed: It broke down.
    """
    try:
        return _sound(detector.judge(subject), CallFinding)
    except Exception as broken:
        raise DetectorFailed(_word(broken)) from None


async def ask(
    detector: OutsideDetector, texts: Sequence[tuple[str, About]], timeout_s: float
) -> Sequence[Sequence[Finding]]:
    """Ask someone else.

    Args:
        detector: Who asks.
        texts: What about.
        timeout_s: How long an answer is waited for.

    Raises:
        DetectorFailed: There was no answer in time, or none that can be understood.
    """
    findings = await within(detector.judge(texts), timeout_s)
    try:
        answered = [_sound(found, Finding) for found in findings]
    except TypeError as broken:
        raise DetectorFailed(_word(broken)) from None
    if len(answered) != len(texts):
        raise DetectorFailed("count")
    return answered


async def within(asking: Awaitable[T], timeout_s: float) -> T:
    """Wait for what somebody else says, so long and no longer; what is raised on the way becomes a word.

    Raises:
        DetectorFailed: There was no answer in time, or none at all.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await asking
    except TimeoutError:
        raise DetectorFailed("timeout") from None
    except GatewayError as error:
        raise DetectorFailed(error.code) from None
    except Exception as broken:
        raise DetectorFailed(_word(broken)) from None


def attempt(work: Callable[[], T]) -> T:
    """Run code of a plugin that does not look at texts: what it raises on purpose passes, anything else has a name.

    Raises:
        GatewayError, ValueError: It has something to say.
        DetectorFailed: It broke down.
    """
    try:
        return work()
    except (GatewayError, ValueError):
        raise
    except Exception as broken:
        message = f": {broken}" if isinstance(broken, ImportError) else ""
        raise DetectorFailed(type(broken).__name__ + message) from None


def _sound(findings: Sequence[T], kind: type[T]) -> Sequence[T]:
    """Return findings that are findings.

    Raises:
        DetectorFailed: They are something else.
    """
    found: Any = findings
    if not isinstance(found, (list, tuple)) or not all(isinstance(each, kind) for each in cast("list[Any]", found)):
        raise DetectorFailed(_NO_FINDING)
    return findings


def _word(broken: Exception) -> str:
    return broken.reason if isinstance(broken, DetectorFailed) else type(broken).__name__
