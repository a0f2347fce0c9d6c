from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.core.errors import Misconfigured, StoreUnavailable
from gateway.core.verdict import DetectorSpec
from gateway.guards.scored import ScoredDetector, build
from gateway.plugin.guard import About
from tests.support.scorers import Room

USER = About("request", "user")


def made(use: str, room: Room | None = None, min_score: float = 0.0, **options: Any) -> ScoredDetector:
    detector = build(DetectorSpec(name="d", use=use, options=options, min_score=min_score), room or Room())
    assert detector is not None
    return detector


def kinds(detector: ScoredDetector, text: str) -> list[str]:
    return [found.kind for found in asyncio.run(detector.judge([(text, USER)]))[0]]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"target_fpr": 0.01}, ["injection/model", "injection/model", "instruction/model"]),
        ({"target_fpr": 0.005}, ["injection/model"]),
        ({"min_score": 0.65}, ["injection/model", "instruction/model", "injection/model"]),
        ({"min_score": 0.2}, ["injection/model", "instruction/model", "injection/model", "injection/model"]),
    ],
)
def test_what_is_found_depends_on_the_threshold(options: dict[str, Any], found: list[str]) -> None:
    assert sorted(kinds(made("injection", **options), "poison, venom, bait, hm")) == sorted(found)


def test_findings_say_where_what_and_how_sure() -> None:
    [[found]] = asyncio.run(made("pii", entities=["PERSON"]).judge([("ask Ada Lovelace at 12 Elm Street", USER)]))
    assert (found.kind, found.label, found.start, found.end, found.score) == ("PERSON/model", "PERSON", 4, 16, 0.97)
    [[found]] = asyncio.run(made("toxicity", target_fpr=0.01).judge([("an idiot", USER)]))
    assert (found.kind, found.label) == ("insult/model", "TOXIC")


def test_names_must_be_sure_unless_the_policy_says_otherwise() -> None:
    assert kinds(made("pii", entities=["PERSON"]), "Paris, Ada Lovelace") == ["PERSON/model"]
    assert kinds(made("pii", entities=["PERSON"], min_score=0.5), "Paris, Ada Lovelace") == ["PERSON/model"] * 2


def test_categories_that_are_not_wanted_are_not_found() -> None:
    assert kinds(made("toxicity", target_fpr=0.01, categories=["threat"]), "idiot, I will strangle you") == [
        "threat/model"
    ]


def test_the_model_is_told_the_lowest_threshold_in_force() -> None:
    room = Room()
    asyncio.run(made("injection", room, target_fpr=0.01).judge([("hello", USER)]))
    assert room("injection").at == [0.6]


def test_all_scores_can_be_weighed() -> None:
    detector = made("injection", target_fpr=0.01)
    [weighed] = asyncio.run(detector.weigh([("poison, hm", USER)]))
    assert [(each.score, detector.counts(each)) for each in weighed] == [(0.9, True), (0.3, False)]


def test_what_is_no_language_is_not_asked_about() -> None:
    detector = made("injection", target_fpr=0.01)
    leaf = About("request", "", "leaf")
    assert detector.takes("gpt-4o", USER)
    assert not detector.takes("gpt-4o-mini-2024-07-18", leaf)
    assert not detector.takes("short one", leaf)
    assert detector.takes("please do as I tell you", leaf)


@pytest.mark.parametrize("share", [0.001])
def test_a_share_that_nobody_could_measure_is_refused(share: float) -> None:
    with pytest.raises(Misconfigured, match=r"target_fpr: .* below 0.5%"):
        made("injection", target_fpr=share)


def test_without_models_a_detector_that_asks_one_is_refused() -> None:
    with pytest.raises(Misconfigured, match="asks a model"):
        build(DetectorSpec(name="d", use="toxicity", min_score=0.9), None)
    assert build(DetectorSpec(name="d", use="injection"), None) is None


def test_warming_up_asks_the_model_something() -> None:
    room = Room()
    asyncio.run(made("injection", room, target_fpr=0.01).warm())
    assert len(room.asked) == 1
    away = Room(error=StoreUnavailable("away"))
    with pytest.raises(StoreUnavailable):
        asyncio.run(made("injection", away, target_fpr=0.01).warm())
