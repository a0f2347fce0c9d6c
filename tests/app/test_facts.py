from __future__ import annotations

from gateway.app.facts import rendered, worked_out
from gateway.policy.secret_rules import facts_path


def test_what_is_known_of_the_shipped_rules_is_what_they_say() -> None:
    written, meant = facts_path().read_bytes(), rendered(worked_out())
    assert written == meant, "policies/rules/secrets.yaml or its analysis has changed: python -m gateway.app.facts"
