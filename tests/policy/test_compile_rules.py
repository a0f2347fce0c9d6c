from __future__ import annotations

import pytest

from gateway.core.verdict import Canary, Exclusion, Globs, Match, RuleSpec
from gateway.policy.compile_detectors import _READ_BY
from gateway.policy.load import LoadedBundle, bundle_of

HEAD = """\
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: n}
detectors:
  keys: {use: secrets}
  links: {use: url_egress}
  size: {use: limits, max_turns: 3}
"""
WHY = "reason: a, ticket: b, expires: 2027-02-01"


def bundle(*texts: str) -> LoadedBundle:
    return bundle_of([(f"{number}.yaml", HEAD + text) for number, text in enumerate(texts, start=1)])


def rules(*texts: str) -> dict[str, RuleSpec]:
    loaded = bundle(*texts)
    assert loaded.problems == ()
    return {rule.id: rule for rule in loaded.compiled.bundle.rules}


def problems(*texts: str) -> list[str]:
    return [str(problem) for problem in bundle(*texts).problems]


def rule(do: str, when: str = "keys", match: str = "") -> str:
    return f"rules: [{{id: r, match: {{{match}}}, when: {when}, do: {do}, mode: enforce}}]\n"


def test_steps_mode_and_canary_are_compiled():
    compiled = rules("rules: [{id: r, when: keys, do: [{score: 2}, redact], mode: {canary: 25%, sticky_by: team}}]")[
        "r"
    ]
    assert [step.action for step in compiled.steps] == ["redact", "score"]
    assert compiled.action == "redact"
    assert (compiled.mode, compiled.canary) == ("canary", Canary(share=0.25, sticky_by="team"))


def test_exclusions_belong_to_their_rule_in_whatever_file():
    compiled = rules(
        rule("redact"),
        f"exclusions: [{{id: x, rule: r, match: {{route: /v1/qa}}, detector: keys, field: 'messages[*].name', {WHY}}}]",
    )["r"]
    assert compiled.exclusions == (
        Exclusion(
            id="x",
            match=Match(route=Globs(include=("/v1/qa",))),
            detector="keys",
            field="messages[*].name",
            expires_unix_s=1_801_440_000,
        ),
    )


def test_an_exclusion_of_nothing_is_told():
    assert problems(
        rule("redact") + f"exclusions: [{{id: x, rule: rr, {WHY}}}, {{id: x, rule: r, detector: k, {WHY}}}]"
    ) == [
        "1.yaml:9: exclusions[0].rule: no rule is named 'rr'; did you mean 'r'?",
        "1.yaml:9: exclusions[1].id: exclusion 'x' is there already, at 1.yaml:9",
        "1.yaml:9: exclusions[1].detector: rule 'r' has no detector 'k'",
    ]


def test_an_edit_needs_something_to_edit():
    assert problems(rule("mask", "not keys")) == [
        "1.yaml:8: rules[0].when: mask needs a hit to mask; this also holds when nothing was found"
    ]
    assert problems(rule("redact", "size")) == [
        "1.yaml:8: rules[0].do: redact needs a text to redact; 'size' judges the whole call"
    ]
    assert problems(rule("{rewrite: text_only}")) == [
        "1.yaml:8: rules[0].do: text_only needs a detector that says what is left: url_egress, unicode or webhook"
    ]
    assert rules(rule("{rewrite: text_only}", "links or keys"))["r"].steps[0].rewrite == "text_only"


def test_what_is_for_requests_is_not_for_answers():
    for do in ("mask", "{route: x}"):
        assert ["is for requests" in problem for problem in problems(rule(do, match="direction: response"))] == [True]
        assert problems(rule(do, match="direction: request")) == []


JUDGED = """\
  j: {use: judge, model: small, rubric: No doses.}
rules: [{id: r, match: {direction: request}, when: %s, do: %s, mode: enforce}]"""


READ = """\
  p: {use: image_text, detectors: %s}
rules: [{id: r, match: {direction: request}, when: %s, do: %s, mode: enforce}]"""


@pytest.mark.parametrize(
    ("detectors", "when", "do", "said"),
    [
        ("[keys]", "p", "block", []),
        (
            "[keys]",
            "p",
            "redact",
            ["redact comes too late for a judge, which is asked beside the call: block or annotate"],
        ),
        ("[keys]", "p or keys", "block", ["'p' answers beside the call, 'keys' before it goes on; give each a rule"]),
        ("[kees]", "p", "block", ["no detector of this file is named 'kees'; did you mean 'keys'?"]),
        (
            "[size]",
            "p",
            "block",
            [f"'size' (use: limits) judges no text by itself; it can be one of {', '.join(_READ_BY)}"],
        ),
        ("[]", "p", "block", ["should name at least one"]),
    ],
)
def test_what_reads_images_has_others_judge_and_comes_late(detectors: str, when: str, do: str, said: list[str]):
    found = problems(READ % (detectors, when, do))
    assert [line.partition(": ")[2].partition(": ")[2] for line in found] == said


@pytest.mark.parametrize(
    ("when", "do", "said"),
    [
        ("j", "block", []),
        ("j", "annotate", []),
        ("j or keys", "block", ["'j' answers beside the call, 'keys' before it goes on; give each a rule"]),
        ("not j", "block", ["a judge speaks by what it finds; this also holds without"]),
        ("j", "redact", ["redact comes too late for a judge, which is asked beside the call: block or annotate"]),
        ("j", "{score: 3}", ["score comes too late for a judge, which is asked beside the call: block or annotate"]),
    ],
)
def test_a_judge_can_only_end_a_call_or_be_remarked_on(when: str, do: str, said: list[str]):
    assert [line.partition(": ")[2].partition(": ")[2] for line in problems(JUDGED % (when, do))] == said
