from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.pattern_width import analysed, shape
from gateway.policy import secret_rules
from gateway.policy.rulesets import read_rules, shipped_secrets
from gateway.policy.secret_rules import facts_about, facts_path, known_facts, known_rules, secrets_path


def test_what_is_known_is_what_reading_gives() -> None:
    text = secrets_path().read_text(encoding="utf-8")
    assert known_rules(text) == read_rules(text, "secrets.yaml").rules == shipped_secrets()


def test_what_is_known_of_expressions_is_what_analysing_gives() -> None:
    facts = known_facts()
    assert facts is not None
    known_rules(secrets_path().read_text(encoding="utf-8"))
    for each in facts.shapes:
        assert shape(each.expression) == analysed(each.expression)


def test_facts_about_another_text_do_not_count() -> None:
    assert known_rules(secrets_path().read_text(encoding="utf-8") + "\n") is None


@pytest.mark.parametrize("held", [b"", b"{}", b"[", b'{"source": 1}', None])
def test_facts_that_cannot_be_read_are_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, held: bytes | None
) -> None:
    path = tmp_path / "secrets.facts.json"
    if held is not None:
        path.write_bytes(held)
    monkeypatch.setattr(secret_rules, "facts_path", lambda: path)
    assert known_facts() is None
    assert known_rules(secrets_path().read_text(encoding="utf-8")) is None
    shipped_secrets.cache_clear()
    assert len(shipped_secrets().kinds) > 100


def test_facts_go_into_a_file_and_out_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = shipped_secrets()
    expressions = [kind.pattern.expression for kind in rules.kinds[:5]]
    facts = facts_about(rules, {each: analysed(each) for each in expressions}, [("a", False)])
    assert facts.kinds == rules.kinds
    assert facts.together == (("a", False),)
    assert [each.expression for each in facts.shapes] == expressions
    assert len(set(facts.masks)) == len(facts.masks)


def test_the_facts_lie_beside_the_rules() -> None:
    assert facts_path().parent == secrets_path().parent
    assert facts_path().is_file()
