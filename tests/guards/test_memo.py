"""Findings are remembered by text and place, within a bound of bytes."""

from __future__ import annotations

from gateway.guards.memo import Memo
from gateway.plugin.guard import About, Finding

USER = About("request", "user")
FOUND = (Finding(kind="k", start=1, end=2),)


def test_a_text_is_remembered_for_one_detector_and_one_place() -> None:
    memo = Memo()
    key = memo.key("inj", USER, "text")
    assert memo.get(key) is None
    memo.put(key, FOUND)
    assert memo.get(key) == FOUND
    assert memo.get(memo.key("inj", About("request", "tool"), "text")) is None
    assert memo.get(memo.key("other", USER, "text")) is None
    assert memo.get(memo.key("inj", USER, "text2")) is None
    assert (memo.hits, memo.misses) == (1, 4)


def test_nothing_found_is_worth_remembering_too() -> None:
    memo = Memo()
    memo.put(memo.key("inj", USER, "text"), ())
    assert memo.get(memo.key("inj", USER, "text")) == ()


def test_the_longest_unseen_goes_first_and_the_text_is_not_kept() -> None:
    memo = Memo(max_bytes=3_200)
    keys = [memo.key("inj", USER, f"some text {number}") for number in range(20)]
    for key in keys[:5]:
        memo.put(key, ())
    assert memo.get(keys[0]) == ()
    for key in keys[5:]:
        memo.put(key, ())
        memo.get(keys[0])
    assert memo._size <= 3_200
    assert memo.get(keys[0]) == ()
    assert memo.get(keys[1]) is None
    assert "some text" not in repr(memo._entries)


def test_what_would_crowd_out_everything_else_is_not_remembered() -> None:
    memo = Memo(max_bytes=4_000)
    key = memo.key("inj", USER, "text")
    memo.put(key, FOUND * 50)
    assert memo.get(key) is None
    assert memo._size == 0
