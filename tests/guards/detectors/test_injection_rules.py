from __future__ import annotations

import pytest

from gateway.core.errors import Misconfigured
from gateway.core.injection_rules import InjectionRules, read_rules
from gateway.guards.detectors.injection_rules import GROWTH, MOST_MATCHES, Budget, RuleScan
from gateway.guards.views.folding import fold
from gateway.guards.views.view import View


def rules(*expressions: str, unless: str = "") -> InjectionRules:
    return read_rules(
        {
            "apiVersion": "weighbridge/v1",
            "kind": "InjectionRules",
            "metadata": {"name": "mine"},
            "rules": [
                {
                    "id": f"r-{number}",
                    "language": "en",
                    "level": 1 + number % 4,
                    "category": "override",
                    "score": 0.5,
                    "expression": expression,
                    "unless": unless,
                    "tests": {"match": ["x"], "pass": ["y"]},
                }
                for number, expression in enumerate(expressions)
            ],
        }
    )


def found(scan: RuleScan, text: str) -> list[tuple[str, str]]:
    view = View("raw", text)
    return [(match.rule.id, text[match.start : match.end]) for match in scan.matches(view, Budget(len(text)))]


def test_matches_have_their_places() -> None:
    scan = RuleScan(rules(r"\bdrop <2>rules\b", r"\bgreen car\b"), 4, tight=False)
    text = "DROP all rules, and a Green  Car. " * 2
    assert found(scan, text) == [
        ("r-0", "DROP all rules"),
        ("r-0", "DROP all rules"),
        ("r-1", "Green  Car"),
        ("r-1", "Green  Car"),
    ]
    assert found(scan, "nothing of the kind") == []
    assert found(scan, "rules drop") == []


def test_only_rules_of_the_level_run() -> None:
    both = rules(r"\bdrop it\b", r"\bdrop it\b")
    assert [rule for rule, _ in found(RuleScan(both, 1, tight=False), "drop it")] == ["r-0"]
    assert [rule for rule, _ in found(RuleScan(both, 2, tight=False), "drop it")] == ["r-0", "r-1"]


def test_talk_about_it_is_no_match() -> None:
    scan = RuleScan(rules(r"\bdrop rules\b", unless=r"\b(?:why we|über wir)".replace("ü", "u")), 1, tight=False)
    assert found(scan, "tell me why we drop rules") == []
    assert found(scan, "tell me über wir drop rules") == []
    assert found(scan, "so drop rules") == [("r-0", "drop rules")]


def test_tight_rules_run_over_letters() -> None:
    scan = RuleScan(rules(r"\bdrop all\b", unless="why"), 1, tight=True)
    assert found(scan, "whydropaiinow") == [("r-0", "dropaii")]


def test_the_same_place_is_found_beside_strange_letters() -> None:
    scan = RuleScan(rules(r"\bdrop it\b"), 1, tight=False)
    assert found(scan, "жdrop it日") == [("r-0", "drop it")]
    (match,) = scan.matches(fold(View("raw", "dгoр it")), Budget(7))
    assert (match.start, match.end) == (0, 7)


def test_one_rule_does_not_flood() -> None:
    scan = RuleScan(rules(r"\bdrop it\b"), 1, tight=False)
    assert len(found(scan, "drop it. " * 1000)) == MOST_MATCHES


def test_work_is_bounded_and_says_so() -> None:
    """A text full of words that rules need, and no match: expressions go over it no more than so many times."""
    scan = RuleScan(rules(*[rf"\bdrop <2>rules x{number}x\b" for number in range(40)]), 4, tight=False)
    text = " ".join(f"drop rules x{number}x" for number in range(40)).replace("rules x", "rules, x, x") * 300
    budget = Budget(len(text))
    assert list(scan.matches(View("raw", text), budget)) == []
    assert budget.spent
    assert budget.left > -len(text) * GROWTH


def test_a_rule_without_a_word_cannot_run() -> None:
    with pytest.raises(Misconfigured, match="r-0"):
        RuleScan(rules("a.b"), 1, tight=False)
