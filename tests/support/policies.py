"""Policies of any size, for tests of what they cost."""

from __future__ import annotations

_HEAD = "apiVersion: weighbridge/v1\nkind: Policy\nmetadata: {name: many}\nextends: [baseline]\n"


def many_rules(count: int, salt: str = "") -> str:
    """A bundle of so many rules, each with its detector and its test; another salt makes other patterns."""
    numbers = range(count)
    detectors = (f'  d{n}: {{use: pattern, patterns: ["(?i)\\\\bproject\\\\s+name{salt}{n}\\\\b"]}}\n' for n in numbers)
    rules = (
        f"  - {{id: r{n}, match: {{direction: request, team: team{n % 20}}}, when: d{n}, do: redact, mode: enforce}}\n"
        for n in numbers
    )
    tests = (
        f'  - {{name: t{n}, given: {{role: user, text: "Project name{salt}{n} ok", team: team{n % 20}}},'
        f" expect: {{rule: r{n}, action: redact}}}}\n"
        for n in numbers
    )
    return "".join((_HEAD, "detectors:\n", *detectors, "rules:\n", *rules, "tests:\n", *tests))
