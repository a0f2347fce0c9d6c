"""Works out beforehand what is known of the shipped rules: ``python -m gateway.app.facts`` writes it beside them."""

from __future__ import annotations

import msgspec

from gateway.config.source import read_text
from gateway.core.pattern_width import analysed
from gateway.core.verdict import DetectorSpec
from gateway.guards.matcher import Matcher
from gateway.policy.rulesets import choose, read_rules
from gateway.policy.secret_rules import SECRETS, Facts, facts_about, facts_path, secrets_path


def worked_out() -> Facts:
    """Work the facts out anew, whatever is known.

    Raises:
        ValueError: The rules are wrong.
    """
    path = secrets_path()
    text, _ = read_text(path, path.name)
    rules = read_rules(text, path.name).rules
    if rules is None:
        raise ValueError(f"{path.name} does not check")
    matcher = Matcher([DetectorSpec(name=SECRETS, use=SECRETS, patterns=choose(rules))])
    shapes = {expression: analysed(expression) for expression in matcher.analysed}
    return facts_about(rules, shapes, ((each.text, each.unicode) for each in matcher.expressions))


def rendered(facts: Facts) -> bytes:
    """Return the facts as the file holds them."""
    return msgspec.json.format(msgspec.json.encode(facts), indent=1) + b"\n"


if __name__ == "__main__":
    facts_path().write_bytes(rendered(worked_out()))
