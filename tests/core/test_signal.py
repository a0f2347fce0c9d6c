from __future__ import annotations

from typing import Any

import pytest

from gateway.core.signal import Signal


async def waiting(signal: Signal, seen: list[Any]) -> None:
    try:
        await signal
    except ValueError as error:
        seen.append(error)
    else:
        seen.append("fired")


def carry(signal: Signal, seen: list[Any]) -> Any:
    """Run a coroutine up to its wait, and let the signal carry it on; returns what it waits for."""
    work = waiting(signal, seen)

    def wake() -> None:
        with pytest.raises(StopIteration):
            work.send(None)

    waited = work.send(None)
    signal.waiter = wake
    return waited


def test_a_wait_ends_inside_the_call_that_fires():
    signal, seen = Signal(), []
    assert carry(signal, seen) is signal
    assert seen == []
    signal.fire()
    assert seen == ["fired"]


def test_an_error_is_raised_where_the_wait_was():
    signal, seen = Signal(), []
    carry(signal, seen)
    error = ValueError("x")
    signal.fire(error)
    assert seen == [error]
    assert signal.error is None, "whoever was told holds the error, not the signal"


def test_what_fired_before_is_not_waited_for():
    for error in (None, ValueError("x")):
        signal, seen = Signal(), []
        signal.fire(error)
        with pytest.raises(StopIteration):
            waiting(signal, seen).send(None)
        assert seen == [error or "fired"]


def test_only_the_first_end_counts():
    signal, seen = Signal(), []
    carry(signal, seen)
    signal.fire()
    signal.fire(ValueError("late"))
    assert (seen, signal.error, signal.fired) == (["fired"], None, True)


def test_a_signal_nobody_waits_for_may_fire():
    signal = Signal()
    signal.fire()
    assert signal.fired
