"""Matches and what overlapping ones make together."""

from __future__ import annotations

import re

from gateway.guards.cover import Cluster, Cover, Mark, clusters, in_order, leading
from gateway.guards.validators import Closer, Growth, Tail

STARS = Tail(re.compile(r"\**"))
ONE = Mark(1, "one", "K1", "L1", 4, score=0.5, view="folded")
TWO = Mark(2, "two", "K2", "L2", 3)


def test_a_match_goes_on_until_its_end_is_known() -> None:
    cover = Cover(10, 12, ONE, STARS)
    cover.extend("ab**", 10, final=False)
    assert (cover.end, cover.growth) == (14, STARS)
    cover.extend("ab***c", 10, final=False)
    assert (cover.end, cover.growth) == (15, None)


def test_overlapping_matches_of_a_detector_are_one_hit_named_after_the_first() -> None:
    made = clusters([Cover(0, 4, ONE), Cover(2, 6, TWO), Cover(3, 9, ONE), Cover(9, 10, ONE)])
    assert [(hit.start, hit.end) for hit in (cluster.hit() for cluster in made[1])] == [(0, 9), (9, 10)]
    assert [(cluster.hit().detector, cluster.hit().start) for cluster in made[2]] == [("two", 2)]
    hit = made[1][0].hit()
    assert (hit.detector, hit.pattern, hit.label, hit.score, hit.view) == ("one", "K1", "L1", 0.5, "folded")


def test_a_match_that_goes_on_takes_whatever_comes() -> None:
    grows = Cover(0, 2, ONE, STARS)
    cluster = Cluster(grows)
    assert cluster.takes(Cover(5, 6, ONE))
    assert cluster.refresh()
    grows.growth = None
    assert not cluster.refresh()
    assert not cluster.takes(Cover(6, 7, ONE))


def test_order_is_by_beginning_then_by_rank() -> None:
    first, second, third = Cover(0, 1, ONE), Cover(1, 2, TWO), Cover(1, 2, ONE)
    assert sorted([third, second, first], key=in_order) == [first, second, third]


def going(start: int, end: int, growth: Growth, number: int = 0) -> Cover:
    return Cover(start, end, Mark(number, "d", "K", "K"), growth)


def test_a_match_follows_an_earlier_one_that_reached_beyond_it() -> None:
    tail = Tail(re.compile("[a-z]*"))
    leader, inside, behind = going(0, 2, tail), going(3, 5, tail), going(9, 11, tail)
    leader.extend("abcdefgh ijkl", 0, final=False)
    assert leader.end == 8
    assert inside.follow(leader)
    assert (inside.end, inside.growth) == (8, None)
    assert not behind.follow(leader)
    assert behind.growth is tail


def test_of_matches_that_end_together_the_first_goes_on() -> None:
    tail, closer = Tail(re.compile("[a-z]*")), Closer("END")
    covers = [going(0, 2, tail), going(1, 3, tail), going(1, 3, tail, 1), going(0, 4, closer), going(2, 6, closer)]
    assert leading(covers) == [covers[0], covers[2], covers[3], covers[4]]
    assert covers[1].growth is None
    assert leading(covers) == [covers[0], covers[2], covers[3], covers[4]]
