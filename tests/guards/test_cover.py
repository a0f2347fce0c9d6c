"""Matches and what overlapping ones make together."""

from __future__ import annotations

import re

from gateway.guards.cover import Cluster, Cover, Mark, clusters, in_order
from gateway.guards.validators import Tail

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
