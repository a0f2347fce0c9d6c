"""Copies that several workers made become one by alias and deployment."""

from __future__ import annotations

from gateway.core.mirror_told import LIKENESSES, OUTCOMES, MirrorCounts, mirrors_added_up


def made(number: int, to: str = "q/x") -> MirrorCounts:
    counts = MirrorCounts(alias="m", to=to)
    for name in ("waiting", "running", *OUTCOMES, "cost_nanousd", "real_nanousd"):
        counts.count(name, number)
    return counts


def test_workers_are_added_up_by_alias_and_deployment():
    one, other = made(1), made(10)
    one.compare("text", same=True)
    other.compare("text", same=False)
    other.compare("tools", same=True)
    other.compare("finish", same=None)
    found = mirrors_added_up([[one, made(5, to="q/a")], [other]])
    assert [(each.alias, each.to) for each in found] == [("m", "q/a"), ("m", "q/x")]
    both = made(11)
    both.compared, both.same = {"text": 2, "tools": 1}, {"text": 1, "tools": 1}
    assert found[1] == both
    # What was added up is left as it is.
    assert (one.answered, one.compared) == (1, {"text": 1})


def test_what_is_compared_has_a_name():
    counts = MirrorCounts()
    for likeness in LIKENESSES:
        counts.compare(likeness, same=False)
    assert (counts.compared, counts.same) == (dict.fromkeys(LIKENESSES, 1), dict.fromkeys(LIKENESSES, 0))


def test_a_successor_goes_on_counting_and_has_no_copies():
    counts = made(3).resumed()
    assert (counts.waiting, counts.running, counts.answered, counts.cost_nanousd) == (0, 0, 3, 3)
