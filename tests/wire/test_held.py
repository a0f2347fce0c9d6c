from __future__ import annotations

import pytest

from gateway.core.errors import InvalidAnswer
from gateway.wire.held import MAX_HELD_BYTES, HeldCall, Queue, Told


def told(name: str, size: int = 1) -> Told:
    return Told(name, b"x" * size, {})


def names(events: list[Told]) -> list[str]:
    return [each.name for each in events]


def test_nothing_waits_when_no_call_is_held() -> None:
    assert names(Queue().add(told("a"))) == ["a"]


def test_order_is_kept_whichever_call_is_whole_first() -> None:
    queue, first, second = Queue(), HeldCall(told("1")), HeldCall(told("2"))
    queue.hold(first)
    assert queue.add(told("a")) == []
    queue.hold(second)
    assert queue.add(told("b")) == []
    second.ready = [told("second")]
    assert queue.drain() == []
    first.ready = [told("first"), told("more")]
    assert names(queue.drain()) == ["first", "more", "a", "second", "b"]
    assert names(queue.add(told("c"))) == ["c"]


def test_what_is_held_is_bounded() -> None:
    queue = Queue()
    queue.hold(HeldCall(told("1")))
    queue.add(told("a", MAX_HELD_BYTES))
    with pytest.raises(InvalidAnswer):
        queue.count(1)
