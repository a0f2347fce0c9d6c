"""What share of disguised orders the rules see, by language; and that a finding covers what it was made of."""

from __future__ import annotations

import os
import random

import pytest

from gateway.guards.detectors.injection import InjectionDetector, shipped_rules
from gateway.plugin.guard import About, Finding
from tests.guards.evasion import ENCODINGS, PHRASES

ABOUT = About(direction="request", role="user")
# As a policy uses it that blocks: only what is sure.
SURE = InjectionDetector("inj", shipped_rules())
SEEN = 0.95
BEFORE, BEHIND = "I bought some apples at a market. ", " Bananas taste good with yoghurt."


def find(text: str) -> list[Finding]:
    return SURE.find(text, ABOUT)


def test_the_lists_are_as_long_as_is_said() -> None:
    assert len(ENCODINGS) >= 30
    assert {language: len(set(phrases)) for language, phrases in PHRASES.items()} == dict.fromkeys(PHRASES, 20)


def test_what_stands_around_says_nothing() -> None:
    assert find(BEFORE + BEHIND) == []


@pytest.mark.parametrize("language", PHRASES)
def test_disguised_orders_are_seen(language: str) -> None:
    unseen = [
        (name, phrase)
        for name, (_, write) in ENCODINGS.items()
        for phrase in PHRASES[language]
        if not find(write(phrase))
    ]
    assert 1 - len(unseen) / (len(ENCODINGS) * len(PHRASES[language])) >= SEEN, unseen


@pytest.mark.parametrize("name", ENCODINGS)
def test_every_disguise_is_seen_in_every_language_by_its_view(name: str) -> None:
    view, write = ENCODINGS[name]
    for language, phrases in PHRASES.items():
        findings = find(write(phrases[0]))
        assert findings, language
        # Where the disguise hides less in one language, an earlier view shows it.
        assert {view, "folded", ""} & {finding.view for finding in findings}


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_finding_lies_where_the_order_lies(name: str) -> None:
    _, write = ENCODINGS[name]
    chooser = random.Random(name)
    for phrases in PHRASES.values():
        for phrase in phrases if os.environ.get("WEIGHBRIDGE_SOAK") else chooser.sample(phrases, 3):
            written = write(phrase)
            text = BEFORE + written + BEHIND
            low, high = len(BEFORE), len(BEFORE) + len(written)
            for finding in find(text):
                # Where only letters are left, a word of the order may be seen in the letters before it.
                slack = 40 if finding.view in ("spaced", "leet") else 0
                assert low - slack <= finding.start < finding.end <= high
                assert finding.end > low
                # What is left when the stretch is cut out is an order no more.
                rest = text[: finding.start] + " … " + text[finding.end :]
                assert finding.kind not in {other.kind for other in find(rest)}
