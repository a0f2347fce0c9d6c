from __future__ import annotations

from gateway.core.matching import matches, matches_tags
from gateway.core.verdict import Globs


def test_no_globs_mean_everything() -> None:
    assert matches(Globs(), "x")
    assert not matches(Globs(include=("y",)), "x")
    assert matches(Globs(include=("y", "x*")), "xy")
    assert not matches(Globs(include=("x*",), exclude=("xy",)), "xy")


def test_one_tag_is_enough_and_one_excluded_is_too_many() -> None:
    tags = {"env": "prod", "tier": "free"}
    assert matches_tags(Globs(), {})
    assert matches_tags(Globs(include=("tier=*",)), tags)
    assert not matches_tags(Globs(include=("tier=paid",)), tags)
    assert not matches_tags(Globs(exclude=("env=prod",)), tags)
    assert matches_tags(Globs(exclude=("env=prod",)), {})
