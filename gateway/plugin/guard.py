"""Detectors as guards run them: what every detector gives back, and the four forms that one can have.

A detector finds; what becomes of a finding is a rule's business. Its form says when it can be asked:

========================  ==============================  ===========================================================
form                      asked                           on a stream
========================  ==============================  ===========================================================
:class:`PieceDetector`    for each text                   as it arrives: only undecided text is held
:class:`TextDetector`     for each text                   when the text is whole: a rule in earnest holds it
:class:`CallDetector`     once for a request or answer    when the answer is whole
:class:`OutsideDetector`  once, with all texts, awaited   when the answer is whole
========================  ==============================  ===========================================================

Offsets are code points of the original text, half open. Nothing here may keep, log or quote the text it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from gateway.core.segments import Direction, Kind, Path, Segment


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in one text.

    Attributes:
        kind: What it is, in the detector's own terms: ``AWS_KEY``, ``md_image``, ``override/en-3``.
        start: First code point.
        end: Code point after the last; equal to ``start`` when the finding is about the text as a whole.
        label: What stands in its place when it is redacted or masked, without brackets; empty means ``kind``.
        score: How sure the detector is, 0 to 1; ``None`` for one that does not weigh.
        view: The view of the text in which it showed, empty for the text as it stands.
        replacement: What a ``rewrite`` puts in its place; ``None`` when the detector offers nothing.
        advisory: It is recorded and sets nothing off: a detector that looks closer than it acts.
    """

    kind: str
    start: int = 0
    end: int = 0
    label: str = ""
    score: float | None = None
    view: str = ""
    replacement: str | None = None
    advisory: bool = False


class About(msgspec.Struct, frozen=True):
    """Where a text stands.

    Attributes:
        direction: Request or response.
        role: Who wrote it; empty where nobody says.
        kind: What it is: text, reasoning, tool_argument, …
        tool: The tool that a result came from, or that arguments are for; empty elsewhere.
    """

    direction: Direction
    role: str = ""
    kind: Kind = "text"
    tool: str = ""


class PieceDetector(Protocol):
    """Finds what lies within a bounded stretch, so that a stream can leave piece by piece.

    The law that makes streams safe, for every text ``a`` and whatever ``b`` follows: the findings of ``a + b`` that
    begin before ``pending(a, 0)`` are the findings of ``a`` that begin there, ends included. Both functions may look
    at most ``reach`` characters to the left of the place they judge.
    """

    name: str
    reach: int

    def find(self, text: str) -> list[Finding]:
        """Return all findings of a text that is whole, by start; those that overlap are edited as one, as the first."""
        ...

    def pending(self, text: str, at: int) -> int:
        """Return the first place from ``at`` on where a finding may still begin or change; the length when none may.

        Everything before ``at`` was passed over before.
        """
        ...


class Scope(msgspec.Struct, frozen=True):
    """Where a detector is asked; one that has no attribute ``scope`` is asked everywhere.

    A detector that has both ``find`` and ``judge`` finds in the directions of its scope, and judges in the other one.

    Attributes:
        directions: Requests, answers, or both.
        kinds: The texts it is given; none means all. Other texts of a stream are not held for it.
        structured: Of a text that is JSON (tool arguments) it is given the whole, and not each string by itself.
    """

    directions: tuple[Direction, ...] = ("request", "response")
    kinds: tuple[Kind, ...] = ()
    structured: bool = False


EVERYWHERE = Scope()


def scope_of(detector: object) -> Scope:
    """Return where a detector is asked."""
    found = getattr(detector, "scope", EVERYWHERE)
    return found if isinstance(found, Scope) else EVERYWHERE


class TextDetector(Protocol):
    """Judges one whole text, in time linear in its length and without waiting for anything."""

    name: str

    def find(self, text: str, about: About) -> list[Finding]:
        """Return all findings of a text."""
        ...


class ViewingDetector(Protocol):
    """What a text detector may offer beside: it says in which forms it read a text, for whoever asks why."""

    def read_views(self, text: str) -> Sequence[str]:
        """Name the views of a text that are read."""
        ...


class JoinedDetector(Protocol):
    """What a text detector may offer beside: it reads the texts of one author that follow each other as one."""

    def find_joined(self, texts: Sequence[str]) -> Sequence[tuple[int, Finding]]:
        """Return what runs from one text into the next; a finding for each text that it touches, with its number."""
        ...


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A whole request or answer, for detectors that look at more than one text.

    Attributes:
        direction: Which of the two.
        dialect: ``openai_chat``, …
        document: The parsed JSON; never changed in place.
        segments: Every text in it, in order.
        request: The parsed request when this is an answer, else ``None``.
    """

    direction: Direction
    dialect: str
    document: Any
    segments: Sequence[Segment]
    request: Any = None


class CallFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding about a request or answer as a whole.

    Attributes:
        kind: As of a :class:`Finding`.
        path: Where in the document; empty for all of it.
        score: As of a :class:`Finding`.
        removes: A ``rewrite`` takes the list member or field at ``path`` out.
    """

    kind: str
    path: Path = ()
    score: float | None = None
    removes: bool = False


class CallDetector(Protocol):
    """Judges a whole request or answer, without waiting for anything."""

    name: str

    def judge(self, subject: Subject) -> list[CallFinding]:
        """Return all findings."""
        ...


class OutsideDetector(Protocol):
    """Asks someone else: a web service, a model. The engine sets the time limit and the rule for failures."""

    name: str

    async def judge(self, texts: Sequence[tuple[str, About]]) -> list[list[Finding]]:
        """Return the findings of each text, in order.

        Raises:
            GatewayError: No judgement could be had; the detector's ``on_error`` says what comes of that.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


Detector = PieceDetector | TextDetector | CallDetector | OutsideDetector
