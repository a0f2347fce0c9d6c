from __future__ import annotations

from typing import Any

import pytest

from gateway.config.source import load_yaml
from gateway.config.validation import validated
from gateway.policy.detectors import AnyDetector
from gateway.policy.model import PolicySpec

HEAD = "apiVersion: weighbridge/v1\nkind: Policy\nmetadata: {name: n}\ndetectors:\n  d: "


def read(text: str) -> AnyDetector:
    checked = validated(PolicySpec, load_yaml(HEAD + text, "p"))
    assert checked.problems == ()
    assert checked.value
    return checked.value.detectors["d"]


def problems(text: str) -> list[str]:
    return [problem.message for problem in validated(PolicySpec, load_yaml(HEAD + text, "p")).problems]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("{use: secrets}", {}),
        (
            "{use: secrets, require: [prefix, entropy], allow: ['AKIA*EXAMPLE'], kinds: ['AWS_*'], except: [JWT]}",
            {"require": ["prefix", "entropy"], "allow": ["AKIA*EXAMPLE"], "kinds": ["AWS_*"], "except": ["JWT"]},
        ),
        (
            "{use: pii, entities: [CARD, NATIONAL_ID], countries: [DE], regions: [FR], require: checksum}",
            {"entities": ["CARD", "NATIONAL_ID"], "countries": ["DE"], "regions": ["FR"], "require": "checksum"},
        ),
        ("{use: pattern, patterns: [a, b]}", {"patterns": ["a", "b"]}),
        ("{use: injection, level: 2, views: all}", {"level": 2, "views": "all"}),
        (
            "{use: injection, level: {enforce: 1, detect: 3}, views: [raw, leet]}",
            {"level": {"enforce": 1, "detect": 3}, "views": ["raw", "leet"]},
        ),
        ("{use: unicode, classes: [tag, bidi]}", {"classes": ["tag", "bidi"]}),
        ("{use: language, allow: [en, de], min_chars: 40}", {"allow": ["en", "de"], "min_chars": 40}),
        ("{use: url_egress, allow: egress, redirectors: allow}", {"allow": "egress", "redirectors": "allow"}),
        ("{use: url_egress, allow: [Docs.Example]}", {"allow": ["docs.example"]}),
        ("{use: limits, max_chars: 9, max_tools: 0}", {"max_chars": 9, "max_tools": 0}),
        ("{use: json_schema, schema: {type: object}}", {"schema": {"type": "object"}}),
        ("{use: json_schema, schema: answer.json}", {"schema": "answer.json"}),
        (
            "{use: tools, default: deny, allow: ['m:*', {tool: t, args: {a: {all_in: l}, n: {max: 5}}}], deny: [x]}",
            {
                "default": "deny",
                "allow": [{"tool": "m:*"}, {"tool": "t", "args": {"a": {"all_in": "l"}, "n": {"max": 5.0}}}],
                "deny": ["x"],
            },
        ),
        (
            "{use: webhook, url: 'https://judge.example/v1', headers: {authorization: env:JUDGE}, send: hash}",
            {"url": "https://judge.example/v1", "headers": {"authorization": "env:JUDGE"}, "send": "hash"},
        ),
    ],
)
def test_options_are_what_is_written_by_the_names_of_the_file(text: str, options: dict[str, Any]):
    assert read(text).options() == options


def test_scores_and_time_limits_are_the_engine_s():
    webhook = read("{use: webhook, url: 'http://judge:9/x', timeout: 300ms, min_score: 0.5}")
    assert (webhook.time_limit_s, webhook.least_score) == (0.3, 0.5)
    assert webhook.options() == {"url": "http://judge:9/x"}
    keys = read("{use: secrets}")
    assert (keys.time_limit_s, keys.least_score) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "detectors.d.use: required"),
        ("{use: moderation}", "detectors.d.use: detector 'moderation' is not yet available"),
        ("{use: secrets, patterns: [x]}", "detectors.d.patterns: unknown key"),
        ("{use: secrets, kind: [x]}", "detectors.d.kind: unknown key; did you mean 'kinds'?"),
        ("{use: secrets, min_score: 1}", "detectors.d.min_score: unknown key"),
        ("{use: pattern}", "detectors.d.patterns: required"),
        ("{use: pattern, patterns: []}", "detectors.d.patterns: should name at least one"),
        ("{use: pii, entities: [CARDS]}", "detectors.d.entities[0]: should be 'CARD', 'IBAN'"),
        ("{use: pii, entities: [PERSON], model: x}", "detectors.d.model: not yet available"),
        ("{use: pii, entities: [CARD], countries: [Germany]}", "detectors.d.countries[0]: should match"),
        ("{use: injection, model: x}", "detectors.d.model: not yet available"),
        ("{use: injection, level: 5}", "detectors.d.level: should be 1, 2, 3 or 4"),
        ("{use: injection, level: true}", "detectors.d.level: should be 1, 2, 3 or 4"),
        ("{use: injection, level: {enforce: 3, detect: 1}}", "detectors.d.level: should be 1, 2, 3 or 4"),
        ("{use: injection, views: []}", "detectors.d.views: should be all, or a list of views"),
        ("{use: injection, views: [foldd]}", "detectors.d.views: no view is called 'foldd'; did you mean 'folded'?"),
        ("{use: pattern, patterns: [a], views: 5}", "detectors.d.views: no view is called '5'; there are raw,"),
        ("{use: language}", "detectors.d: give either allow or deny"),
        ("{use: language, allow: [en], deny: [de]}", "detectors.d: give either allow or deny"),
        ("{use: url_egress, allow: ['http://x']}", "detectors.d.allow: should be a host"),
        ("{use: url_egress, allow: 5}", "detectors.d.allow: should be the name of a list, or a list of hosts"),
        ("{use: limits}", "detectors.d: limits nothing"),
        ("{use: json_schema}", "detectors.d.schema: required"),
        ("{use: json_schema, schema: 5}", "detectors.d.schema: should be a JSON Schema"),
        ("{use: tools}", "detectors.d: forbids nothing"),
        (
            "{use: tools, default: deny, allow: [{tool: t, args: {to: {}}}]}",
            "detectors.d.allow[0].args.to: says nothing",
        ),
        (
            "{use: tools, default: deny, allow: [{tool: t, args: {to: {inn: x}}}]}",
            "detectors.d.allow[0].args.to.inn: unknown key; did you mean 'in'?",
        ),
        (
            "{use: tools, default: deny, allow: [{tool: t, args: {n: {min: 5, max: 1}}}]}",
            "detectors.d.allow[0].args.n: min is larger than max",
        ),
        (
            "{use: tools, default: deny, allow: [{tool: t, args: {n: {pattern: '('}}}]}",
            "detectors.d.allow[0].args.n: pattern cannot be read",
        ),
        ("{use: webhook, url: 'ftp://x'}", "detectors.d.url: should be an http or https URL"),
        ("{use: webhook, url: 'http://u@x/'}", "detectors.d.url: should be an http or https URL"),
        (
            "{use: webhook, url: 'http://x', headers: {a: secret}}",
            "detectors.d.headers.a: a secret is not written here",
        ),
        ("{use: webhook, url: 'http://x', timeout: 5m}", "detectors.d.timeout: should be less than or equal to 60"),
    ],
)
def test_what_a_detector_cannot_take_is_refused_by_name(text: str, said: str):
    found = problems(text)
    assert [message for message in found if message.startswith(said)], found
