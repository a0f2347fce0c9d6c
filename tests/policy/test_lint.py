from __future__ import annotations

import pytest

from gateway.policy.lint import Finding, lint
from gateway.policy.load import bundle_of

HEAD = """\
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: n}
detectors:
  a: {use: pattern, patterns: [osprey]}
  b: {use: pattern, patterns: [kestrel]}
rules:
"""
DAY = 86_400.0
NOW = 1_800_000_000.0
# 2027-02-01, sixteen and a half days after NOW.
EXPIRES = "2027-02-01"


def found(*rules: str, more: str = "", forms: dict[str, str] | None = None, now_s: float = NOW) -> list[Finding]:
    """What lint says of rules that all have a test and use both detectors."""
    ids = [rule.split("id: ")[1].split(",")[0] for rule in rules]
    tests = "".join(
        f"- {{name: {name}, given: {{role: user, text: x}}, expect: {{rule: {name}}}}}\n" for name in [*ids, "used"]
    )
    used = "- {id: used, match: {route: /used}, when: a or b, do: annotate, mode: audit}\n"
    text = HEAD + used + "".join(f"- {rule}\n" for rule in rules) + more + "tests:\n" + tests
    loaded = bundle_of([("p", text)])
    assert loaded.problems == ()
    return list(lint(loaded, now_s, forms))


def said(*rules: str, more: str = "", now_s: float = NOW) -> list[str]:
    return [str(finding) for finding in found(*rules, more=more, now_s=now_s)]


def test_what_is_fine_is_passed_over():
    assert said("{id: r, match: {direction: request}, when: a and not b, do: redact, mode: enforce}") == []


def test_what_does_not_load_comes_first():
    loaded = bundle_of([("p", HEAD + "- {id: r, when: a, do: block, mode: on}\ncolour: blue\n")])
    assert [finding.code for finding in lint(loaded, NOW)][:2] == ["invalid", "invalid"]


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("match: {direction: response, role: user}, when: a", "can never apply: an answer has no text of role user"),
        ("match: {team: {not: x}}, when: a and not a", "can never hold: its when contradicts itself"),
    ],
)
def test_a_rule_that_can_never_act_is_unreachable(rule: str, why: str):
    assert said(f"{{id: r, {rule}, do: block, mode: enforce}}") == [f"p:9: rule 'r' {why} [unreachable]"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("{id: x, when: a, do: block, mode: enforce}", "{id: y, when: a, do: redact, mode: enforce}"),
    ("{id: x, when: a or b, do: block, mode: enforce}",
         "{id: y, match: {direction: request}, when: a and b, do: block, mode: enforce}"),
        ("{id: x, match: {route: /v1/*}, when: a, do: redact, mode: enforce}",
         "{id: y, match: {route: /v1/chat}, when: a, do: redact, mode: enforce}"),
    ],
)  # fmt: skip
def test_a_rule_that_adds_nothing_to_one_before_it_is_shadowed(first: str, second: str):
    (finding,) = found(first, second)
    assert (finding.code, finding.line, finding.level) == ("shadowed", 10, "error")
    assert "'x' applies wherever it does" in finding.message


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("{id: x, when: a, do: block, mode: audit}", "{id: y, when: a, do: redact, mode: enforce}"),
        ("{id: x, when: a, do: block, mode: enforce}", "{id: y, when: b, do: block, mode: enforce}"),
        ("{id: x, when: a, do: block, mode: enforce}", "{id: y, when: a, do: {taint: session}, mode: enforce}"),
        ("{id: x, match: {team: t}, when: a, do: block, mode: enforce}", "{id: y, when: a, do: block, mode: enforce}"),
        ("{id: x, when: a, do: redact, mode: enforce}", "{id: y, when: a or b, do: redact, mode: enforce}"),
    ],
)
def test_a_rule_that_adds_something_is_not(first: str, second: str):
    assert found(first, second) == []


def test_an_exclusion_leaves_room_for_the_rule_behind():
    exclusion = "{id: e, rule: x, match: {route: /v1/qa}, reason: r, ticket: t, expires: 2028-01-01}"
    rules = ("{id: x, when: a, do: block, mode: enforce}", "{id: y, when: a, do: redact, mode: enforce}")
    assert said(*rules, more=f"exclusions: [{exclusion}]\n") == []


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ("redact", "mask", "for what 'a' finds, redact there and mask here"),
        ("{route: x}", "{route: y}", "for what 'a' finds, route: x there and route: y here"),
    ],
)
def test_two_rules_that_want_different_things_of_one_place_conflict(one: str, other: str, why: str):
    rules = (
        f"{{id: x, match: {{direction: request, team: 'a*'}}, when: a, do: {one}, mode: enforce}}",
        f"{{id: y, match: {{direction: request, team: '*z'}}, when: a or b, do: {other}, mode: {{canary: 1%}}}}",
    )
    assert said(*rules) == [f"p:10: rule 'y' contradicts 'x': {why} [conflict]"]


@pytest.mark.parametrize(
    "other",
    [
        "{id: y, match: {direction: request, team: b}, when: a, do: mask, mode: enforce}",
        "{id: y, match: {direction: request, team: a}, when: b, do: mask, mode: enforce}",
        "{id: y, match: {direction: request, team: a}, when: a, do: mask, mode: shadow}",
    ],
)
def test_rules_that_do_not_meet_do_not_conflict(other: str):
    assert said("{id: x, match: {direction: request, team: a}, when: a, do: redact, mode: enforce}", other) == []


RULE = "{id: r, match: {direction: request}, when: a, do: redact, mode: enforce}"
EXCLUSION = "exclusions: [{id: e, rule: r, match: {%s}, reason: r, ticket: t, expires: %s}]\n"


@pytest.mark.parametrize("match", ["", "route: '*'", "stream: null"])
def test_an_exclusion_of_everything_is_too_broad(match: str):
    (finding,) = found(RULE, more=EXCLUSION % (match, "2028-01-01"))
    assert (finding.code, finding.level, finding.line) == ("broad", "error", 10)
    assert finding.message.startswith("exclusion 'e' switches its rule off everywhere;")


def test_exclusions_expire():
    expiring = EXCLUSION % ("route: /v1/qa", EXPIRES)
    assert said(RULE, more=expiring, now_s=NOW - 20 * DAY) == []
    assert said(RULE, more=expiring) == ["p:10: note: exclusion 'e' expires in 17 days [expiring]"]
    assert [finding.code for finding in found(RULE, more=expiring, now_s=NOW + 17 * DAY)] == ["expired"]


def test_a_rule_without_a_test_is_told():
    text = HEAD + "- {id: r, when: a or b, do: block, mode: enforce}\n"
    assert [str(finding) for finding in lint(bundle_of([("p", text)]), NOW)] == [
        "p:8: rule 'r' is named by no test [untested]"
    ]


def test_names_that_nothing_uses_are_told():
    text = HEAD + (
        "- {id: r, when: a, do: block, mode: enforce}\n"
        "lists:\n"
        "  l: {type: host, values: [x.example]}\n"
        "tests: [{name: t, given: {role: user, text: x}, expect: {rule: r}}]\n"
    )
    assert [str(finding) for finding in lint(bundle_of([("p", text)]), NOW)] == [
        "p:6: detector 'b' is used by no rule [unused-detector]",
        "p:10: list 'l' is used by no detector [unused-list]",
    ]


def test_what_holds_a_stream_whole_is_noted():
    both = "{id: r, when: a and b, do: redact, mode: enforce}"
    assert [(finding.code, finding.level) for finding in found(both)] == [("holds-stream", "note")]
    assert found(both.replace("enforce", "audit")) == []
    assert found(both.replace("id: r", "id: r, match: {stream: false}")) == []
    one = "{id: r, when: a, do: redact, mode: enforce}"
    assert found(one, forms={"a": "pattern"}) == []
    (finding,) = found(one, forms={"a": "text"})
    assert finding.message == "rule 'r' holds streams to their end: 'a' judges whole texts"


def test_what_others_wrote_is_not_judged():
    text = "apiVersion: weighbridge/v1\nkind: Policy\nmetadata: {name: n}\nextends: [baseline]\n"
    assert lint(bundle_of([("p", text)]), NOW) == ()


def test_a_rule_of_a_shipped_pack_may_be_the_one_before():
    text = HEAD.replace("detectors:", "extends: [baseline]\ndetectors:")
    text = text.partition("  a:")[0] + "  keys: {use: secrets}\nrules:\n"
    text += "- {id: r, match: {direction: request, team: t}, when: keys, do: redact, mode: enforce}\n"
    text += "tests: [{name: t, given: {role: user, text: x}, expect: {rule: r}}]\n"
    (finding,) = lint(bundle_of([("p", text)]), NOW)
    assert (finding.code, "no-secrets-out" in finding.message) == ("shadowed", True)


MODELS = """\
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: n}
detectors:
  inj: {use: injection, target_fpr: 1%%, stream: balanced}
  plain: {use: injection}
  j: {use: judge, model: m, rubric: No doses.}
on_error: {plain: rules_only}
rules:
  - {id: a, match: {direction: request}, when: inj, do: block, mode: enforce}
  - {id: b, match: {direction: request}, when: plain, do: annotate, mode: audit}
  - {id: c, match: {}, when: j, do: block, mode: enforce}
  - {id: d, match: {direction: response, kind: text}, when: inj, do: %s, mode: enforce}
tests:
  - {name: t, given: {role: user, text: x}, expect: {rule: a}}
  - {name: u, given: {role: user, text: x}, expect: {rule: b}}
  - {name: v, given: {role: assistant, text: x}, expect: {rule: d}}
"""
FORMS = {"inj": "text+model", "plain": "text", "j": "judge"}


def told(do: str) -> list[tuple[str, str]]:
    loaded = bundle_of([("p.yaml", MODELS % do)])
    assert loaded.problems == ()
    return [(finding.code, finding.message) for finding in lint(loaded, 0.0, FORMS)]


def test_options_and_judges_that_can_do_nothing_are_told() -> None:
    idle = ("idle-option", "on_error of 'plain': rules_only has no effect: it asks no model")
    late = ("late", "rule 'c' ends only streams that still run: a whole answer has left when its judge speaks")
    assert told("block") == [idle, late]
    held = ("holds-stream", "rule 'd' holds streams to their end: 'inj' asks a model, and what it edits must be whole")
    stream = ("idle-option", "detector 'inj': stream has no effect: no rule on it can end a stream")
    assert told("redact") == [stream, idle, late, held]
