from __future__ import annotations

from typing import Any

import pytest

from gateway.core.scored import INJECTION, TOXICITY, categories_of, model_entities, scorer_of, stream_mode
from gateway.core.verdict import DetectorSpec


def spec(use: str, min_score: float = 0.0, **options: Any) -> DetectorSpec:
    return DetectorSpec(name="d", use=use, options=options, min_score=min_score)


@pytest.mark.parametrize(
    ("detector", "model"),
    [
        (spec("injection"), ""),
        (spec("injection", target_fpr=0.01), "injection"),
        (spec("injection", 0.7), "injection"),
        (spec("toxicity", target_fpr=0.01), "toxicity"),
        (spec("pii", entities=["EMAIL"]), ""),
        (spec("pii", entities=["EMAIL", "PERSON"]), "names"),
        (spec("pattern"), ""),
    ],
)
def test_a_detector_asks_a_model_where_the_policy_says_how_sure_it_must_be(detector: DetectorSpec, model: str) -> None:
    assert scorer_of(detector) == model


def test_categories_are_those_that_are_wanted() -> None:
    assert categories_of(spec("injection", 0.7)) == INJECTION
    assert categories_of(spec("toxicity", 0.7)) == TOXICITY
    assert categories_of(spec("toxicity", 0.7, categories=["threat"])) == ("threat",)
    assert categories_of(spec("pii", entities=["ADDRESS", "EMAIL"])) == ("ADDRESS",)
    assert model_entities(spec("pii", entities=["ADDRESS", "PERSON"])) == ("PERSON", "ADDRESS")


def test_streams_are_held_unless_the_policy_says_otherwise() -> None:
    assert stream_mode(spec("toxicity")) == "strict"
    assert stream_mode(spec("toxicity", stream="balanced")) == "balanced"
