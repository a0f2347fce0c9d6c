"""Whatever a detector raises means that it could not judge, and says no more than that."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.core.errors import StoreUnavailable
from gateway.plugin.guard import About, Finding, Subject
from gateway.plugin.runner import DetectorFailed, ask, attempt, find_in_piece, find_in_text, judge, pending_in

ABOUT = About("request")
SUBJECT = Subject(direction="request", dialect="d", document={}, segments=())


class Bad:
    name = "bad"
    reach = 0

    def find(self, text: str, about: Any = None) -> list[Finding]:
        raise KeyError(text)

    def pending(self, text: str, at: int) -> int:
        raise KeyError(text)

    def judge(self, subject: Subject) -> Any:
        raise KeyError("secret")


class Outside:
    name = "outside"

    def __init__(self, error: BaseException | None, findings: list[list[Finding]]) -> None:
        self._error = error
        self._findings = findings

    async def judge(self, texts: Sequence[tuple[str, About]]) -> list[list[Finding]]:
        if self._error is not None:
            raise self._error
        return self._findings

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    "call",
    [
        lambda: find_in_piece(Bad(), "secret"),
        lambda: pending_in(Bad(), "secret", 0),
        lambda: find_in_text(Bad(), "secret", ABOUT),
        lambda: judge(Bad(), SUBJECT),
    ],
)
def test_whatever_is_raised_becomes_a_word(call: Any) -> None:
    with pytest.raises(DetectorFailed) as failed:
        call()
    assert failed.value.reason == "KeyError"
    assert "secret" not in str(failed.value)
    assert failed.value.__suppress_context__


@pytest.mark.parametrize(
    ("outside", "reason"),
    [
        (Outside(ValueError("secret"), []), "ValueError"),
        (Outside(StoreUnavailable("away"), []), StoreUnavailable("away").code),
        (Outside(None, []), "count"),
        (Outside(None, [[], []]), "count"),
    ],
)
def test_an_answer_from_outside_that_is_none(outside: Outside, reason: str) -> None:
    async def test() -> None:
        with pytest.raises(DetectorFailed) as failed:
            await ask(outside, [("text", ABOUT)], 5)
        assert failed.value.reason == reason

    asyncio.run(test())


def test_cancellation_passes() -> None:
    class Waits(Outside):
        async def judge(self, texts: Sequence[tuple[str, About]]) -> list[list[Finding]]:
            await asyncio.Event().wait()
            return []

    async def test() -> None:
        task = asyncio.ensure_future(ask(Waits(None, []), [("text", ABOUT)], 60))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(test())


def test_findings_are_passed_on() -> None:
    found = [[Finding(kind="k")]]
    assert asyncio.run(ask(Outside(None, found), [("text", ABOUT)], 5)) == found


class Wrong(Bad):
    """Returns what is no finding."""

    def __init__(self, returned: Any) -> None:
        self._returned = returned

    def find(self, text: str, about: Any = None) -> list[Finding]:
        return self._returned

    def pending(self, text: str, at: int) -> int:
        return self._returned

    def judge(self, subject: Subject) -> Any:
        return self._returned


@pytest.mark.parametrize("returned", [None, 5, "secret", ["secret"], [Finding(kind="k"), None], iter(())])
def test_what_is_no_finding_is_a_failure(returned: Any) -> None:
    wrong = Wrong(returned)
    for call in (
        lambda: find_in_piece(wrong, "secret"),
        lambda: find_in_text(wrong, "secret", ABOUT),
        lambda: judge(wrong, SUBJECT),
        lambda: asyncio.run(ask(Outside(None, [returned]), [("secret", ABOUT)], 5)),
    ):
        with pytest.raises(DetectorFailed) as failed:
            call()
        assert "secret" not in str(failed.value)
    if returned != 5:
        with pytest.raises(DetectorFailed):
            pending_in(wrong, "secret", 0)


def test_code_of_a_plugin_that_breaks_down_has_a_name() -> None:
    def raises(error: Exception) -> Any:
        raise error

    assert attempt(lambda: 5) == 5
    for error in (ValueError("too few"), StoreUnavailable("away")):
        with pytest.raises(type(error)):
            attempt(lambda error=error: raises(error))
    with pytest.raises(DetectorFailed, match=r"^KeyError$"):
        attempt(lambda: raises(KeyError("secret")))
    with pytest.raises(DetectorFailed, match="ImportError: no module"):
        attempt(lambda: raises(ImportError("no module")))
