"""Runs detectors, ours and other people's alike: whatever one raises means that it could not judge.

A detector that breaks down must not take the call with it unless the policy says so (``on_error``). What it raised is
named by its type and not shown to anybody, since its message may quote the text.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.core.errors import GatewayError
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
        return detector.find(text)
    except Exception as broken:
        raise DetectorFailed(type(broken).__name__) from None


def pending_in(detector: PieceDetector, text: str, at: int) -> int:
    """Ask a piece detector how much of a text is decided.

    Raises:
        DetectorFailed: It broke down.
    """
    try:
        return detector.pending(text, at)
    except Exception as broken:
        raise DetectorFailed(type(broken).__name__) from None


def find_in_text(detector: TextDetector, text: str, about: About) -> tuple[Finding, ...]:
    """Ask a text detector for the findings of a text.

    Raises:
        DetectorFailed: It broke down.
    """
    try:
        return tuple(detector.find(text, about))
    except Exception as broken:
        raise DetectorFailed(type(broken).__name__) from None


def judge(detector: CallDetector, subject: Subject) -> Sequence[CallFinding]:
    """Ask for a judgement of a whole request or answer.

    Raises:
        DetectorFailed: It broke down.
    """
    try:
        return detector.judge(subject)
    except Exception as broken:
        raise DetectorFailed(type(broken).__name__) from None


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
    try:
        async with asyncio.timeout(timeout_s):
            findings = await detector.judge(texts)
    except TimeoutError:
        raise DetectorFailed("timeout") from None
    except GatewayError as error:
        raise DetectorFailed(error.code) from None
    except Exception as broken:
        raise DetectorFailed(type(broken).__name__) from None
    if len(findings) != len(texts):
        raise DetectorFailed("count")
    return findings
