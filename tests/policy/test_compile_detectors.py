from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.verdict import DetectorSpec
from gateway.policy.load import LoadedBundle, bundle_of, load_bundle

HEAD = "apiVersion: weighbridge/v1\nkind: Policy\nmetadata: {name: n}\n"


def bundle(*texts: str) -> LoadedBundle:
    return bundle_of([(f"{number}.yaml", HEAD + text) for number, text in enumerate(texts, start=1)])


def detectors(*texts: str) -> dict[str, DetectorSpec]:
    loaded = bundle(*texts)
    assert loaded.problems == ()
    return {detector.name: detector for detector in loaded.compiled.bundle.detectors}


def problems(*texts: str) -> list[str]:
    return [str(problem) for problem in bundle(*texts).problems]


def test_lists_are_looked_up_where_they_are_named():
    found = detectors(
        "lists: {egress: {type: host, values: [A.example]}, ours: {type: mail_domain, values: [acme.example]}}\n"
        "detectors:\n"
        "  links: {use: url_egress, allow: egress}\n"
        "  here: {use: url_egress, allow: [b.example]}\n"
        "  none: {use: url_egress}\n"
        "  tools: {use: tools, default: deny, allow: [{tool: t, args: {to: {all_in: ours}}}]}\n"
    )
    assert found["links"].options == {"allow": {"type": "host", "values": ["a.example"]}}
    assert found["here"].options == {"allow": {"type": "host", "values": ["b.example"]}}
    assert found["none"].options == {"allow": {"type": "host", "values": []}}
    assert found["tools"].options["allow"] == [
        {"tool": "t", "args": {"to": {"all_in": {"type": "mail_domain", "values": ["acme.example"]}}}}
    ]


def test_a_list_that_is_not_there_or_of_another_type_is_told():
    assert problems(
        "lists: {ours: {type: mail_domain, values: [a.example]}}\n"
        "detectors:\n"
        "  a: {use: url_egress, allow: oours}\n"
        "  b: {use: url_egress, allow: ours}\n"
        "  c: {use: tools, default: deny, allow: [{tool: t, args: {to: {in: theirs}}}]}\n"
    ) == [
        "1.yaml:6: detectors.a.allow: no list of this file is named 'oours'; did you mean 'ours'?",
        "1.yaml:7: detectors.b.allow: 'ours' is a list of type mail_domain; one of hosts is needed",
        "1.yaml:8: detectors.c.allow[0].args.to.in: no list of this file is named 'theirs'",
    ]


def test_a_value_that_is_none_is_told():
    assert problems("lists: {e: {type: cidr, values: [10.0.0.0/8, 10.0.0.1/8]}}") == [
        "1.yaml:4: lists.e.values[1]: should be a network such as 10.0.0.0/8, without bits behind the mask"
    ]


def test_a_failing_detector_blocks_unless_it_is_said_otherwise():
    words = "detectors: {a: {use: secrets}, b: {use: pattern, patterns: [x]}}\n"
    assert {name: found.on_error for name, found in detectors(words).items()} == {"a": "block", "b": "block"}
    found = detectors(words + "on_error: {default: allow, b: annotate}")
    assert {name: each.on_error for name, each in found.items()} == {"a": "allow", "b": "annotate"}


def test_a_default_is_for_the_detectors_of_its_file_and_who_extends_has_the_last_word():
    found = detectors("on_error: {default: allow}", "detectors: {b: {use: pattern, patterns: [x]}}")
    assert found["b"].on_error == "block"
    found = detectors("extends: [baseline]\non_error: {default: allow, keys: annotate}")
    assert found["keys"].on_error == "annotate"
    assert detectors("extends: [baseline]\non_error: {default: allow}")["keys"].on_error == "block"


def test_what_is_said_of_no_detector_is_told():
    assert problems("detectors: {keys: {use: secrets}}\non_error: {kyes: allow}") == [
        "1.yaml:5: on_error.kyes: no detector is named 'kyes'; did you mean 'keys'?"
    ]
    assert problems(
        "detectors: {keys: {use: secrets}, inj: {use: injection}}\non_error: {keys: rules_only, inj: rules_only}"
    ) == ["1.yaml:5: on_error.keys: rules_only goes with use: injection; say block, allow or annotate"]


@pytest.mark.parametrize("name", ["and", "or", "not", "default"])
def test_words_of_the_language_name_no_detector(name: str):
    assert problems(f"detectors: {{{name}: {{use: secrets}}}}") == [
        f"1.yaml:4: detectors.{name}: '{name}' is a word of the language; choose another name"
    ]


def test_patterns_over_views_are_the_detector_s_own():
    found = detectors("detectors: {w: {use: pattern, patterns: [osprey], views: [leet]}}")["w"]
    assert found.patterns == ()
    assert found.options == {"patterns": ["osprey"], "views": ["leet"]}
    plain = detectors("detectors: {w: {use: pattern, patterns: [osprey]}}")["w"]
    assert [pattern.expression for pattern in plain.patterns] == ["osprey"]
    assert plain.options == {}


def names(spec: DetectorSpec) -> list[str]:
    return [pattern.name for pattern in spec.patterns]


def test_kinds_of_secrets_are_chosen():
    found = detectors(
        "detectors:\n"
        "  all: {use: secrets}\n"
        "  some: {use: secrets, kinds: [GITHUB_*, AWS_*], except: ['*_PAT'], require: [prefix], allow: ['ghp_A*']}\n"
    )
    assert len(names(found["all"])) > 200
    assert names(found["some"])[-1] == "GITHUB_TOKEN"
    assert "AWS_SECRET" not in names(found["some"])
    assert "ghp_A*" in found["some"].patterns[-1].allow


def test_what_names_no_kind_of_secret_is_told():
    kinds = "  a: {use: secrets, kinds: [GITHUB_TOKEN, GITHUB_TOKN]}\n"
    assert problems(f"detectors:\n{kinds}  b: {{use: secrets, rules: secret}}\n") == [
        "1.yaml:5: detectors.a.kinds[1]: no kind matches 'GITHUB_TOKN'; did you mean 'GITHUB_TOKEN'?",
        "1.yaml:6: detectors.b.rules: should be secrets, or a file of your own; did you mean 'secrets'?",
    ]


def test_a_rule_file_of_ones_own_is_read_beside_the_policy(tmp_path: Path):
    policy = tmp_path / "ours.yaml"
    policy.write_text(HEAD + "detectors: {keys: {use: secrets, rules: ours/keys.yaml}}\n")
    rules = tmp_path / "ours" / "keys.yaml"
    rules.parent.mkdir()
    head = (
        "apiVersion: weighbridge/v1\nkind: SecretRules\nmetadata: {name: ours}\ngroups:\n  - name: Ours\n    kinds:\n"
    )
    rules.write_text(head + "      - {id: OURS, expression: 'ours_[a-z]{20}', check: word}\n")
    loaded = load_bundle([("policies/ours.yaml", policy)])
    assert loaded.problems == ()
    assert names(loaded.compiled.bundle.detectors[0]) == ["OURS"]
    assert rules in loaded.paths
    rules.write_text(head + "      - {id: OURS, expression: 'ours_[a-z]*', check: word}\n")
    changed = load_bundle([("policies/ours.yaml", policy)])
    (problem,) = map(str, changed.problems)
    assert problem.startswith("policies/ours/keys.yaml:7: groups[0].kinds[0].expression: a match has no longest length")


def test_personal_data_is_looked_for_as_the_options_say() -> None:
    found = detectors(
        "detectors:\n"
        "  ids: {use: pii, entities: [NATIONAL_ID, IP], countries: [nl], private_ips: true, allow: ['*.1']}\n"
        "  calls: {use: pii, entities: [PHONE], regions: [de, FR]}\n"
    )
    names = {pattern.name for pattern in found["ids"].patterns}
    assert names == {"NATIONAL_ID_NL", "IPV4", "IPV4_NAMED", "IPV6", "IPV6_NAMED"}
    assert {pattern.allow for pattern in found["ids"].patterns} == {("*.1",)}
    assert "phone_formed:DE,FR" in {pattern.validator for pattern in found["calls"].patterns}


def test_countries_and_regions_that_nothing_is_known_of_are_told() -> None:
    assert problems(
        "detectors:\n"
        "  ids: {use: pii, entities: [NATIONAL_ID], countries: [NL, QQ]}\n"
        "  calls: {use: pii, entities: [PHONE], regions: [UK]}\n"
    ) == [
        "1.yaml:5: detectors.ids.countries[1]: no national numbers of QQ are known",
        "1.yaml:6: detectors.calls.regions[0]: no telephone numbers of UK are known",
    ]


def test_a_plugin_brings_a_kind_and_checks_its_options():
    text = "detectors: {d: {use: shouting, least: 5, deep: {er: [1]}, timeout: 200ms, min_score: 0.5}}\n"
    text += "rules: [{id: r, when: d, do: block, mode: audit}]\non_error: {d: allow}\n"
    loaded = bundle_of([("p", HEAD + text)], frozenset({"shouting"}))
    assert loaded.problems == ()
    (found,) = loaded.compiled.bundle.detectors
    assert (found.use, found.options) == ("shouting", {"least": 5, "deep": {"er": [1]}})
    assert (found.timeout_s, found.min_score, found.on_error) == (0.2, 0.5, "allow")


def test_a_kind_that_nobody_brings_is_refused_with_a_suggestion():
    assert problems("detectors: {d: {use: secret}}\nrules: [{id: r, when: d, do: block, mode: audit}]") == [
        "1.yaml:4: detectors.d.use: there is none called 'secret'; did you mean 'secrets'?"
    ]
    loaded = bundle_of([("p", HEAD + "detectors: {d: {use: shoutin}}")], frozenset({"shouting"}))
    assert "did you mean 'shouting'?" in str(loaded.problems[0])
