from __future__ import annotations

import random

import pytest

from training.phrases import grammar, sentence


@pytest.mark.parametrize("name", ["toxic", "groups"])
def test_every_pattern_of_a_grammar_comes_out_whole(name: str) -> None:
    rules = grammar(name)
    rng = random.Random(1)
    for section in ("insult", "threat", "identity_attack", "harmless"):
        for pattern in rules[section]:
            for _ in range(3):
                made = sentence(rules, rng, pattern, {"slur": ["word"]})
                assert "{" not in made
                assert made == made.strip()
