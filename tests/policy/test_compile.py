from __future__ import annotations

import pytest

from gateway.core.verdict import Globs, Match, RuleSpec, Step, Thresholds, When
from gateway.policy.compile import compile_bundle, revision_of
from gateway.policy.load import LoadedBundle, bundle_of
from gateway.policy.rulesets import choose, shipped_secrets

HEAD = "apiVersion: weighbridge/v1\nkind: Policy\nmetadata: {name: n}\n"
KEYS = HEAD + "detectors: {keys: {use: secrets}}\nrules: [{id: r, when: keys, do: redact, mode: enforce}]\n"


def bundle(*texts: str) -> LoadedBundle:
    return bundle_of([(f"{number}.yaml", HEAD + text) for number, text in enumerate(texts, start=1)])


def problems(*texts: str) -> list[str]:
    loaded = bundle(*texts)
    assert loaded.bundle is None
    return [str(problem) for problem in loaded.problems]


RULE = "rules: [{id: r, when: keys, do: redact, mode: enforce}]\n"
DETECTOR = "detectors: {keys: {use: secrets}}\n"


def test_secrets_are_the_catalogue_and_patterns_their_own():
    loaded = bundle(DETECTOR + "  \n", "detectors: {our-words: {use: pattern, patterns: ['(?i)osprey', 'x{2,9}']}}\n")
    assert loaded.bundle
    keys, words = loaded.bundle.detectors
    assert (keys.name, keys.use, keys.patterns) == ("keys", "secrets", choose(shipped_secrets()))
    assert [(p.name, p.expression, p.label, p.max_chars) for p in words.patterns] == [
        ("OUR_WORDS_1", "(?i)osprey", "OUR_WORDS", 6),
        ("OUR_WORDS_2", "x{2,9}", "OUR_WORDS", 9),
    ]


def test_a_single_pattern_is_named_after_its_detector():
    loaded = bundle("detectors: {words: {use: pattern, patterns: [osprey]}}")
    assert loaded.bundle
    assert loaded.bundle.detectors[0].patterns[0].name == "WORDS"


def test_a_rule_is_compiled_whole():
    loaded = bundle(
        DETECTOR
        + "rules: [{id: r, match: {direction: response, model: [a, 'b-*']}, when: keys, do: block, mode: audit}]"
    )
    assert loaded.bundle
    assert loaded.bundle.rules == (
        RuleSpec(
            id="r",
            match=Match(direction=("response",), model=Globs(include=("a", "b-*"))),
            when=When(op="detector", name="keys"),
            steps=(Step(action="block"),),
            mode="audit",
        ),
    )


@pytest.mark.parametrize("expression", ["a*", "x.+", "[0-9]{3,}", "(", "", "^a", "a?"])
def test_a_pattern_that_no_stream_can_carry_is_an_error(expression: str):
    found = problems(f"detectors:\n  w:\n    use: pattern\n    patterns:\n      - ok\n      - '{expression}'\n")
    assert len(found) == 1
    assert found[0].startswith("1.yaml:9: detectors.w.patterns[1]: ")


def test_an_unknown_detector_is_an_error_with_a_suggestion():
    assert problems(DETECTOR + "rules: [{id: r, when: kyes or foo, do: block, mode: audit}]") == [
        "1.yaml:5: rules[0].when: no detector of this file is named 'kyes'; did you mean 'keys'?",
        "1.yaml:5: rules[0].when: no detector of this file is named 'foo'",
    ]


def test_a_detector_that_is_wrong_in_itself_is_one_error():
    assert problems("detectors: {ids: {use: moderation}}\nrules: [{id: r, when: ids, do: block, mode: audit}]") == [
        "1.yaml:4: detectors.ids.use: detector 'moderation' is not yet available"
    ]


def test_a_detector_belongs_to_its_file():
    assert problems(DETECTOR, RULE) == ["2.yaml:4: rules[0].when: no detector of this file is named 'keys'"]


def test_two_files_may_mean_the_same_detector_but_not_two():
    loaded = bundle(DETECTOR, DETECTOR)
    assert loaded.bundle
    assert len(loaded.bundle.detectors) == 1
    assert problems(DETECTOR, "detectors: {keys: {use: pattern, patterns: [x]}}") == [
        "2.yaml:4: detectors.keys: detector 'keys' is there already, at 1.yaml:4"
    ]


def test_a_rule_id_is_there_once_in_the_whole_bundle():
    assert problems(DETECTOR + RULE, DETECTOR + RULE) == [
        "2.yaml:5: rules[0].id: rule 'r' is there already, at 1.yaml:5"
    ]
    both = "rules: [{id: r, when: keys, do: block, mode: audit}, {id: r, when: keys, do: block, mode: audit}]"
    assert problems(DETECTOR + both) == ["1.yaml:5: rules[1].id: rule 'r' is there already, at 1.yaml:5"]


def test_redacting_nothing_is_an_error():
    assert problems(DETECTOR + "rules: [{id: r, when: not keys, do: redact, mode: audit}]") == [
        "1.yaml:5: rules[0].when: redact needs a hit to redact; this also holds when nothing was found"
    ]


def test_a_detector_cannot_be_called_as_the_expression_language():
    assert "is a word of the language" in problems("detectors: {and: {use: secrets}}")[0]


def test_tests_are_kept_with_their_made_up_text():
    loaded = bundle(
        DETECTOR + RULE + "tests:\n"
        "  - {name: a, given: {role: user, text: 'x {{digits:4}}'}, expect: {action: redact, rule: r}}\n"
        "  - {name: b, given: {stream: [AK, '{{upper:3}}']}, expect: {output: '[X]'}}\n"
        "  - {name: c, given: {role: assistant, text: hi}, expect: {action: allow}}\n"
    )
    assert loaded.problems == ()
    first, second, third = loaded.tests
    assert (first.file, first.line, first.direction, first.answer, first.stream) == ("1.yaml", 7, "request", None, ())
    (message,) = first.request["messages"]
    assert message["role"] == "user"
    assert message["content"][:2] == "x "
    assert message["content"][2:].isdigit()
    assert (first.action, first.rule, first.output) == ("redact", "r", None)
    assert (second.direction, len(second.stream), second.stream[0]) == ("response", 2, "AK")
    assert (second.action, second.output) == (None, "[X]")
    assert third.direction == "response"
    assert third.answer
    assert third.answer["choices"][0]["message"] == {"role": "assistant", "content": "hi"}


def test_a_test_of_an_unknown_rule_is_an_error_and_one_of_a_rule_that_is_wrong_is_not():
    test = "tests: [{name: a, given: {role: user, text: x}, expect: {rule: %s}}]"
    assert problems(DETECTOR + RULE + test % "rr") == [
        "1.yaml:6: tests[0].expect.rule: no rule is named 'rr'; did you mean 'r'?"
    ]
    assert problems("rules: [{id: r, when: a, do: hold, mode: audit}]\n" + test % "r") == [
        "1.yaml:4: rules[0].do: action 'hold' is not yet available"
    ]


def test_tests_may_name_rules_of_another_file():
    test = "tests: [{name: a, given: {role: user, text: x}, expect: {rule: r}}]"
    assert bundle(test, DETECTOR + RULE).problems == ()


def test_a_test_name_is_there_once_and_its_templates_exist():
    test = "{name: a, given: {role: user, text: 'x{{foo:1}}'}, expect: {action: allow}}"
    found = problems(f"tests: [{test}, {test}]")
    assert [said.partition(";")[0] for said in found] == [
        "1.yaml:4: tests[0].given: no template is called 'foo'",
        "1.yaml:4: tests[1].name: test 'a' is there already, on line 4",
        "1.yaml:4: tests[1].given: no template is called 'foo'",
    ]


def test_the_revision_is_of_the_sources_in_order():
    assert len(revision_of(["a"])) == 12
    revisions = {revision_of(texts) for texts in ([], ["a"], ["a", "b"], ["b", "a"], ["ab"], ["a", "", "b"])}
    assert len(revisions) == 6


def test_no_file_is_a_bundle_without_rules():
    compiled = compile_bundle([], revision_of([]))
    assert (compiled.bundle.revision, compiled.bundle.rules, compiled.problems) == (revision_of([]), (), [])


def test_thresholds_and_bounds_are_the_bundle_s():
    scoring = "scoring: {request: {annotate: 3, block: 5}, response: {block: 4}}\n"
    loaded = bundle(scoring + "normalize: {max_chars: 9, unscannable: block}")
    assert loaded.bundle
    assert loaded.bundle.request_scoring == Thresholds(annotate=3.0, block=5.0)
    assert loaded.bundle.response_scoring == Thresholds(block=4.0)
    assert (loaded.bundle.max_chars, loaded.bundle.unscannable) == (9, "block")


def test_two_files_must_agree_unless_one_extends_the_other():
    assert problems("scoring: {request: {block: 5}}", "scoring: {request: {block: 6}}\nnormalize: {max_chars: 1}") == [
        "2.yaml:4: scoring.request: other thresholds than in 1.yaml"
    ]
    assert problems("normalize: {max_chars: 1}", "normalize: {max_chars: 2}") == [
        "2.yaml:4: normalize.max_chars: not as in 1.yaml"
    ]
    assert bundle("scoring: {request: {block: 5}}", "scoring: {request: {block: 5}}").problems == ()


def test_a_policy_says_what_is_kept_of_whose_bodies():
    loaded = bundle("capture:\n  - {match: {team: hr}, bodies: none}\n", "capture: [{bodies: full}]\n")
    assert loaded.bundle
    first, second = loaded.bundle.captures
    assert (first.match.team, first.bodies, second.bodies) == (Globs(include=("hr",)), "none", "full")
    (said,) = problems("capture: [{match: {role: user}, bodies: none}]\n")
    assert "capture is for whole calls" in said
    (said,) = problems(DETECTOR + "rules: [{id: r, when: keys, do: [{capture: none}, block], mode: audit}]\n")
    assert "capture stands alone" in said
