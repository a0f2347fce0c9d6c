"""The kit finds what is wrong with a detector, and lets the sound ones pass."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from gateway.plugin.guard import About, CallFinding, Finding, Subject
from gateway.plugin.testing import ContractBroken, check_call, check_outside, check_piece, check_text

TEXTS = ["", "a <b> c", "<b><c>", "<>", "a < b", "x<y" * 5]


class Piece:
    """``<…>`` of at most nine characters."""

    name = "brackets"
    reach = 0

    def find(self, text: str) -> list[Finding]:
        return [Finding(kind="b", start=m.start(), end=m.end()) for m in re.finditer(r"<[^<>]{0,7}>", text)]

    def pending(self, text: str, at: int) -> int:
        found = re.search(r"<[^<>]{0,7}\Z", text[at:])
        return at + found.start() if found else len(text)


class Eager(Piece):
    """Says that everything is decided."""

    def pending(self, text: str, at: int) -> int:
        return len(text)


class FarSighted(Piece):
    """Looks further to the left than it says."""

    def find(self, text: str) -> list[Finding]:
        return super().find(text) if text.startswith("a") else []


class Backwards(Piece):
    """Takes back what was decided."""

    def pending(self, text: str, at: int) -> int:
        return at - 1 if at else super().pending(text, at)


class Forgetful(Piece):
    """Says something else the second time."""

    asked = 0

    def find(self, text: str) -> list[Finding]:
        self.asked += 1
        return super().find(text) if self.asked % 2 else []


class Unordered(Piece):
    def find(self, text: str) -> list[Finding]:
        return super().find(text)[::-1]


class Beyond(Piece):
    def find(self, text: str) -> list[Finding]:
        return [Finding(kind="b", start=0, end=len(text) + 1)]


class Nameless(Piece):
    name = ""


class Negative(Piece):
    reach = -1


def test_a_sound_piece_detector_passes() -> None:
    check_piece(Piece(), TEXTS)


@pytest.mark.parametrize(
    ("kind", "law"),
    [
        (Eager, "does not change"),
        (FarSighted, "only reach characters"),
        (Backwards, "not yet decided"),
        (Forgetful, "same findings"),
        (Unordered, "in order"),
        (Beyond, "lies in the text"),
        (Nameless, "name"),
        (Negative, "reach"),
    ],
)
def test_what_breaks_the_law_is_told(kind: Callable[[], Any], law: str) -> None:
    with pytest.raises(ContractBroken, match=law):
        check_piece(kind(), TEXTS)


class Text:
    name = "text"

    def __init__(self, findings: Callable[[str], list[Any]]) -> None:
        self._findings = findings

    def find(self, text: str, about: About) -> list[Finding]:
        return self._findings(text)


def test_text_detectors() -> None:
    seen: list[str] = []
    check_text(Text(lambda text: [Finding(kind="k")] if text else []), TEXTS)
    for broken, law in (
        (lambda text: [text], "Finding"),
        (lambda text: [Finding(kind="")], "kind"),
        (lambda text: [Finding(kind="k", score=2.0)], "score"),
        (lambda text: seen.append(text) or [Finding(kind="k")] * (len(seen) > 3), "same findings"),
    ):
        with pytest.raises(ContractBroken, match=law):
            check_text(Text(broken), TEXTS)


class Calls:
    name = "calls"

    def __init__(self, judge: Callable[[Any], list[Any]]) -> None:
        self._judge = judge

    def judge(self, subject: Subject) -> list[CallFinding]:
        return self._judge(subject.document)


def test_call_detectors() -> None:
    subjects = [Subject(direction="request", dialect="openai_chat", document={"tools": [{"a": 1}]}, segments=[])]
    check_call(Calls(lambda document: [CallFinding(kind="k", path=("tools", 0, "a", -1))]), subjects)
    counted: list[int] = []
    for broken, law in (
        (lambda document: [CallFinding(kind="k", path=("tools", 1))], "leads"),
        (lambda document: [CallFinding(kind="k", path=("tools", "a"))], "leads"),
        (lambda document: [Finding(kind="k")], "CallFinding"),
        (lambda document: document.update(more=1) or [], "changed|same"),
        (lambda document: counted.append(1) or [CallFinding(kind="k")] * (len(counted) % 2), "same findings"),
    ):
        with pytest.raises(ContractBroken, match=law):
            check_call(Calls(broken), [*subjects])


class Outside:
    name = "outside"

    def __init__(self, findings: list[list[Finding]]) -> None:
        self._findings = findings
        self.closed = 0

    async def judge(self, texts: Sequence[tuple[str, About]]) -> list[list[Finding]]:
        return self._findings if texts else []

    async def close(self) -> None:
        self.closed += 1


def test_outside_detectors() -> None:
    sound = Outside([[Finding(kind="k", end=1)], []])
    asyncio.run(check_outside(sound, ["a", "b"]))
    assert sound.closed == 2
    with pytest.raises(ContractBroken, match="each text"):
        asyncio.run(check_outside(Outside([[]]), ["a", "b"]))
    waiting: Any = Calls(lambda document: [])
    with pytest.raises(ContractBroken, match="awaited"):
        asyncio.run(check_outside(waiting, ["a"]))
