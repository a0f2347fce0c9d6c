"""The detectors of a bundle: built once, only those that rules name."""

from __future__ import annotations

import pytest

from gateway.core.errors import Misconfigured
from gateway.core.segments import Direction
from gateway.core.verdict import Bundle, DetectorSpec
from gateway.guards.kit import Kit
from gateway.plugin.guard import About
from tests.guards.handmade import BIRDS, MAILS, PLUGINS, does, named


def kit(*rules: str, kinds: tuple[DetectorSpec, ...] = ()) -> Kit:
    made = tuple(does(f"r{number}", rule, "annotate") for number, rule in enumerate(rules))
    return Kit(Bundle(revision="r", detectors=kinds or ALL, rules=made), lambda: 0, PLUGINS)


WAYS: tuple[Direction, ...] = ("request", "response")
ALL = (BIRDS, MAILS, named("brackets"), named("shouting"), named("many"), named("oracle"))


def test_each_form_is_kept_where_it_is_asked() -> None:
    made = kit("birds|brackets", "shouting", "many", "oracle")
    assert made.forms == {
        "birds": "pattern", "brackets": "piece", "shouting": "text", "many": "call", "oracle": "outside",
    }  # fmt: skip
    assert [runner.name for runner in made.runners] == ["brackets", "shouting"]
    assert (list(made.judges), list(made.askers)) == (["many"], ["oracle"])
    assert [name for name in made.forms if made.whole(name, "request")] == ["many", "oracle"]


def test_a_detector_that_finds_and_judges_does_each_in_its_direction() -> None:
    made = kit("tools", "limits", kinds=(named("tools", "tools"), named("limits", "limits", options={"max_turns": 1})))
    assert made.forms == {"tools": "text", "limits": "call"}
    whole = [(name, way) for name in ("tools", "limits") for way in WAYS if made.whole(name, way)]
    assert whole == [("tools", "request"), ("limits", "request")]
    (runner,) = made.runners
    assert runner.takes(About("response", "assistant", "tool_name"))
    assert not runner.takes(About("response", "assistant", "text"))
    assert not runner.takes(About("request", "assistant", "tool_name"))


def test_every_detector_has_a_number_and_ranks_follow_those_of_patterns() -> None:
    made = kit("birds|brackets|shouting")
    assert made.matcher.numbers == {"birds": 0, "brackets": 1, "shouting": 2}
    assert [runner.rank for runner in made.runners] == [made.matcher.ranks + 1, made.matcher.ranks + 2]


def test_what_is_missing_or_unknown_is_said() -> None:
    with pytest.raises(Misconfigured, match="nobody"):
        kit("nobody")
    with pytest.raises(Misconfigured, match="'telepathy'"):
        kit("t", kinds=(named("t", "telepathy"),))


def test_names_on_the_way_to_a_hit_are_shown_without_what_they_hold() -> None:
    assert kit("birds").shown(("a", 0, "my osprey", "b" * 100)) == f"a[0].my [BIRD].{'b' * 64}"
