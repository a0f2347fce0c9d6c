from __future__ import annotations

import pytest

from gateway.config.json_schema import json_schema
from gateway.config.source import load_yaml
from gateway.config.validation import validated
from gateway.core.verdict import Globs, Step
from gateway.policy.model import PolicySpec

HEAD = "apiVersion: weighbridge/v1\nkind: Policy\nmetadata: {name: n}\n"
RULE = "rules: [{id: r, when: a, do: block, mode: audit%s}]"
EXCLUSION = "exclusions: [{id: x, rule: r%s}]"
WHY = ", reason: a, ticket: b, expires: 2027-02-01"


def problems_of(text: str) -> list[str]:
    return [str(problem) for problem in validated(PolicySpec, load_yaml(HEAD + text, "p")).problems]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("detektors: {}", "detektors: unknown key; did you mean 'detectors'?"),
        ("tools: {}", "tools: unknown key"),
        ("lists: {our: {type: hosts, values: [x]}}", "lists.our.type: should be 'mail_domain', 'host', 'cidr', 'tool'"),
        ("lists: {our: {type: host}}", "lists.our: give either values or file"),
        ("on_error: {default: ignore}", "on_error.default: should be 'block', 'allow', 'annotate' or 'rules_only'"),
        ("scoring: {request: {annotate: 5, block: 3}}", "scoring.request: annotate should not be more than block"),
        ("scoring: {request: {block: 0}}", "scoring.request.block: should be greater than 0"),
        ("normalize: {profile: strict}", "normalize.profile: unknown key"),
        ("normalize: {max_chars: 0}", "normalize.max_chars: should be greater than or equal to 1"),
        ("detectors: {'a b': {use: secrets}}", "detectors.a b: should match pattern"),
        ("rules: [{when: a, do: redact, mode: audit}]", "rules[0].id: required"),
        ("rules: [{id: r, when: a, do: redact}]", "rules[0].mode: required"),
        ("rules: [{id: r, when: a b, do: redact, mode: audit}]", "rules[0].when: 'and', 'or' or the end expected at"),
        ("rules: [{id: r, when: a, do: hold, mode: audit}]", "rules[0].do: action 'hold' is not yet available"),
        ("rules: [{id: r, when: a, do: drop, mode: audit}]", "rules[0].do: no action is called 'drop'"),
        ("rules: [{id: r, when: a, do: block, mode: on}]", "rules[0].mode: should be 'audit', 'shadow', 'enforce' or"),
        (RULE % ", match: {role: usr}", "rules[0].match.role: no role is called 'usr'; did you mean 'user'?"),
        (RULE % ", match: {rolle: user}", "rules[0].match.rolle: unknown key; did you mean 'role'?"),
        (RULE % ", match: {stream: maybe}", "rules[0].match.stream: should be true or false"),
        (RULE % ", match: {team: []}", "rules[0].match.team: should name at least one"),
        (EXCLUSION % "", "exclusions[0].reason: required"),
        (EXCLUSION % "", "exclusions[0].ticket: required"),
        (EXCLUSION % "", "exclusions[0].expires: required"),
        (EXCLUSION % ", reason: '', ticket: b, expires: 2027-02-01", "exclusions[0].reason: should not be empty"),
        (EXCLUSION % ", reason: a, ticket: b, expires: 2027-02-30", "exclusions[0].expires: is no day of any calendar"),
        (EXCLUSION % ", reason: a, ticket: b, expires: soon", "exclusions[0].expires: should be a day such as"),
        ("tests: [{name: t, given: {role: user, text: x}, expect: {}}]", "tests[0].expect: expects nothing; give"),
        (
            "tests: [{name: t, given: {role: user, text: x}, expect: {action: hold}}]",
            "tests[0].expect.action: action 'hold' is not yet available",
        ),
        (
            "tests: [{name: t, given: {role: user, text: x}, expect: {action: alow}}]",
            "tests[0].expect.action: should be one of allow, annotate, capture, taint, score, route, rewrite, mask",
        ),
        (
            "tests: [{name: t, given: {role: user, text: x}, expect: {output: 5}}]",
            "tests[0].expect.output: should be the text that is left, or the arguments as a mapping",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_name(text: str, problem: str):
    found = problems_of(text)
    assert [message for message in found if message.startswith(f"p:4: {problem}")], found


def test_the_head_is_required():
    found = [str(problem) for problem in validated(PolicySpec, load_yaml("rules: []", "p")).problems]
    assert found == ["p:1: apiVersion: required", "p:1: kind: required", "p:1: metadata.name: required"]


def test_a_rule_without_a_match_applies_everywhere():
    assert problems_of("rules: [{id: r, when: a, do: block, mode: audit}]") == []


def test_a_rule_is_read_whole():
    text = HEAD + RULE % ", match: {role: [user, tool], model: {not: private-*}}"
    checked = validated(PolicySpec, load_yaml(text, "p"))
    assert checked.problems == ()
    assert checked.value
    rule = checked.value.rules[0]
    assert rule.do == (Step(action="block"),)
    assert rule.mode.mode == "audit"
    assert rule.match.role == Globs(include=("user", "tool"))
    assert rule.match.model == Globs(exclude=("private-*",))


def test_an_exclusion_ends_at_the_beginning_of_its_day():
    checked = validated(PolicySpec, load_yaml(HEAD + EXCLUSION % WHY, "p"))
    assert checked.value
    assert checked.value.exclusions[0].expires == 1_801_440_000


def test_editors_know_that_plugins_bring_detectors():
    (detectors,) = json_schema(PolicySpec)["properties"]["detectors"]["patternProperties"].values()
    kinds = detectors["anyOf"]
    assert [kind["properties"]["use"]["pattern"] for kind in kinds if "properties" in kind] == ["^plugin:"]
    assert any("discriminator" in kind for kind in kinds)
