from __future__ import annotations

import pytest

from gateway.config.source import load_yaml
from gateway.config.validation import validated
from gateway.policy.model import PolicySpec

HEAD = "apiVersion: weighbridge/v1\nkind: Policy\nmetadata: {name: n}\n"


def problems_of(text: str) -> list[str]:
    return [str(problem) for problem in validated(PolicySpec, load_yaml(HEAD + text, "p")).problems]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("extends: [baseline]", "extends: not yet available"),
        ("lists: {}", "lists: not yet available"),
        ("exclusions: []", "exclusions: not yet available"),
        ("scoring: {}", "scoring: not yet available"),
        ("on_error: {default: block}", "on_error: not yet available"),
        ("detektors: {}", "detektors: unknown key; did you mean 'detectors'?"),
        ("detectors: {a: {use: pii, entities: [CARD]}}", "detectors.a.use: detector 'pii' is not yet available"),
        ("detectors: {a: {use: secret}}", "detectors.a.use: should be 'secrets' or 'pattern'"),
        ("detectors: {a: {use: pattern}}", "detectors.a: use: pattern needs patterns"),
        ("detectors: {a: {use: secrets, patterns: [x]}}", "detectors.a: patterns go with use: pattern only"),
        ("detectors: {a: {use: secrets, min_score: 1}}", "detectors.a.min_score: not yet available"),
        ("detectors: {'a b': {use: secrets}}", "detectors.a b: should match pattern"),
        ("rules: [{when: a, do: redact, mode: audit}]", "rules[0].id: required"),
        ("rules: [{id: r, when: a, do: redact}]", "rules[0].mode: required"),
        ("rules: [{id: r, when: a b, do: redact, mode: audit}]", "rules[0].when: 'and', 'or' or the end expected at"),
        ("rules: [{id: r, when: a, do: mask, mode: audit}]", "rules[0].do: action 'mask' is not yet available"),
        ("rules: [{id: r, when: a, do: {mask: {}}, mode: audit}]", "rules[0].do: action 'mask' is not yet available"),
        (
            "rules: [{id: r, when: a, do: [{taint: s}], mode: audit}]",
            "rules[0].do: action 'taint' is not yet available",
        ),
        (
            "rules: [{id: r, when: a, do: [block], mode: audit}]",
            "rules[0].do: this form of action is not yet available",
        ),
        ("rules: [{id: r, when: a, do: drop, mode: audit}]", "rules[0].do: should be 'redact', 'block' or 'annotate'"),
        ("rules: [{id: r, when: a, do: block, mode: shadow}]", "rules[0].mode: mode 'shadow' is not yet available"),
        ("rules: [{id: r, when: a, do: block, mode: {canary: 1%}}]", "rules[0].mode: mode 'canary' is not yet"),
        ("rules: [{id: r, when: a, do: block, mode: on}]", "rules[0].mode: should be 'audit' or 'enforce'"),
        (
            "rules: [{id: r, match: {model: {not: x}}, when: a, do: block, mode: audit}]",
            "rules[0].match.model: 'not' is",
        ),
        ("rules: [{id: r, match: {role: usr}, when: a, do: block, mode: audit}]", "rules[0].match.role[0]: should be"),
        (
            "rules: [{id: r, match: {direction: in}, when: a, do: block, mode: audit}]",
            "rules[0].match.direction[0]: should",
        ),
        ("rules: [{id: r, match: {tag: x}, when: a, do: block, mode: audit}]", "rules[0].match.tag: not yet available"),
        (
            "rules: [{id: r, match: {team: []}, when: a, do: block, mode: audit}]",
            "rules[0].match.team: should name at least",
        ),
        (
            "tests: [{name: t, given: {role: user}, expect: {action: allow}}]",
            "tests[0].given: give either role and text, or",
        ),
        (
            "tests: [{name: t, given: {text: x}, expect: {action: allow}}]",
            "tests[0].given: text needs the role that wrote it",
        ),
        (
            "tests: [{name: t, given: {role: user, stream: [x]}, expect: {action: allow}}]",
            "tests[0].given: only the assistant streams",
        ),
        (
            "tests: [{name: t, given: {role: user, text: x}, expect: {}}]",
            "tests[0].expect: expects nothing; give action",
        ),
        (
            "tests: [{name: t, given: {tool_args: {}}, expect: {rule: r}}]",
            "tests[0].given.tool_args: not yet available",
        ),
        (
            "tests: [{name: t, given: {role: user, text: x}, expect: {action: hold}}]",
            "tests[0].expect.action: action 'hold'",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_name(text: str, problem: str):
    found = problems_of(text)
    assert [message for message in found if message.startswith(f"p:4: {problem}")], found


def test_the_head_is_required():
    found = [str(problem) for problem in validated(PolicySpec, load_yaml("rules: []", "p")).problems]
    assert found == ["p:1: apiVersion: required", "p:1: kind: required", "p:1: metadata.name: required"]


def test_one_or_many_may_be_matched():
    match = "{role: [user, tool], team: a, route: /v1/*}"
    text = f"{HEAD}rules: [{{id: r, match: {match}, when: a, do: block, mode: audit}}]"
    checked = validated(PolicySpec, load_yaml(text, "p"))
    assert checked.problems == ()
    assert checked.value
    found = checked.value.rules[0].match
    assert (found.role, found.team, found.route, found.direction) == (("user", "tool"), ("a",), ("/v1/*",), ())


def test_a_rule_without_a_match_applies_everywhere():
    assert problems_of("rules: [{id: r, when: a, do: block, mode: audit}]") == []
