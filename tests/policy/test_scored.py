from __future__ import annotations

from typing import Any

import pytest

from tests.policy.test_detectors import problems, read


@pytest.mark.parametrize(
    ("text", "options", "min_score", "timeout_s"),
    [
        ("{use: injection, target_fpr: 1%, timeout: 60ms}", {"target_fpr": 0.01}, 0.0, 0.06),
        ("{use: injection, min_score: 0.7, stream: balanced}", {"stream": "balanced"}, 0.7, 0.0),
        (
            "{use: toxicity, categories: [threat, insult], target_fpr: 0.5%, stream: strict}",
            {"categories": ["threat", "insult"], "target_fpr": 0.005, "stream": "strict"}, 0.0, 0.0,
        ),
        ("{use: toxicity, min_score: 0.9}", {}, 0.9, 0.0),
        ("{use: pii, entities: [PERSON, ADDRESS], min_score: 0.8}", {"entities": ["PERSON", "ADDRESS"]}, 0.8, 0.0),
        (
            "{use: pii, entities: [EMAIL, PERSON], target_fpr: 2%}",
            {"entities": ["EMAIL", "PERSON"], "target_fpr": 0.02}, 0.0, 0.0,
        ),
    ],
)  # fmt: skip
def test_detectors_with_models(text: str, options: dict[str, Any], min_score: float, timeout_s: float) -> None:
    found = read(text)
    assert (found.options(), found.least_score, found.time_limit_s) == (options, min_score, timeout_s)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{use: injection, target_fpr: 1}", "target_fpr: should be a share between 0% and 100%"),
        ("{use: injection, target_fpr: 0%}", "target_fpr: should be more than 0% and at most 20% of benign texts"),
        ("{use: injection, target_fpr: 50%}", "at most 20%"),
        ("{use: injection, target_fpr: 1%, min_score: 0.9}", "both say where a finding begins; give one"),
        ("{use: injection, timeout: 60ms}", "asks none; target_fpr or min_score do that"),
        ("{use: injection, stream: strict}", "stream is about a model, and this asks none"),
        ("{use: pii, entities: [EMAIL], target_fpr: 1%}", "asks none; the entities PERSON and ADDRESS do"),
        ("{use: pii, entities: [PERSONS]}", "should be 'CARD'"),
        ("{use: toxicity}", "give target_fpr (1% of benign texts), or min_score"),
        ("{use: toxicity, target_fpr: 1%, categories: [rude]}", "categories[0]: should be 'insult'"),
        ("{use: toxicity, target_fpr: 1%, stream: fast}", "stream: should be 'strict' or 'balanced'"),
        ("{use: language, allow: [en], target_fpr: 1%}", "give min_score, which weighbridge policy tune finds"),
        ("{use: webhook, url: 'http://j/', target_fpr: 1%}", "there is no table of benign texts for this detector"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(text: str, said: str) -> None:
    found = problems(text)
    assert len(found) == 1
    assert said in found[0]
