from __future__ import annotations

import pytest

from gateway.config.drifting import Drift
from gateway.core.alerts import Standing
from gateway.core.drift import Finding
from gateway.core.drift_hours import MEASURES, Compared
from gateway.operator.drift_words import document, sentence

RATE = Finding(state="drifting", now=0.2, usual=0.02, far=4.0, count=500, usual_count=2000)
NUMBERS = Finding(state="drifting", now=240_000.0, usual=120_000.0, psi=0.5, shift=1.0, far=2.0, count=5, usual_count=9)
WORDS = Finding(state="drifting", now=0.4, usual=0.1, what="de", psi=0.5, far=2.0, count=5, usual_count=9)
VECTORS = Finding(state="drifting", distance=0.3, far=2.0, count=5, usual_count=9)
OF_KIND = {"rate": RATE, "numbers": NUMBERS, "words": WORDS, "vectors": VECTORS}


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_every_measure_can_be_said(measure) -> None:
    said = sentence(
        ("a", "p", measure.name), Compared(measure=measure.name, against="weekday", finding=OF_KIND[measure.kind])
    )
    assert said.startswith("a, prompt p: ")
    assert said.endswith(".")


def test_sentences_say_how_much() -> None:
    def say(measure: str, finding: Finding) -> str:
        return sentence(("a", "", measure), Compared(measure=measure, against="weekday", finding=finding))

    assert say("refusals", RATE) == "a: answers that say no are 20.0% of calls, and were 2.0%."
    assert "$0.000240 in the middle, and was $0.000120" in say("cost", NUMBERS)
    assert "×2.00" in say("cost", NUMBERS)
    assert "'de' in 40%, and was in 10%" in say("answer_language", WORDS)
    assert "0.30 away" in say("questions", VECTORS)
    assert "no longer" in say("cost", Finding(state="too little data"))
    assert "no longer" in sentence(("a", "", "cost"), None)


def test_a_message_is_one_of_the_webhooks() -> None:
    compared = Compared(measure="refusals", against="weekday", finding=RATE)
    told = document(
        ("a", "p", "refusals"), "firing", Standing(firing=True, since_s=5, episode="e"), compared, Drift(), 9
    )
    assert (told["type"], told["rule"], told["state"], told["episode"]) == (
        "weighbridge.alert",
        "drift.refusals",
        "firing",
        "e",
    )
    assert told["match"] == {"alias": ["a"], "prompt": ["p"]}
    assert (told["facts"]["now"], told["facts"]["against"], told["facts"]["window_hours"]) == (0.2, "weekday", 6)
    assert "state" not in told["facts"]
