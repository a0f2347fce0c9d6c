from __future__ import annotations

from pathlib import Path

import pytest

from gateway.app.policies import PolicyFault, load_guards
from gateway.config.shipped import shipped_policies_dir
from gateway.core.verdict import CallFacts

HEAD = """\
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: words}
detectors:
  words: {use: pattern, patterns: ["osprey"]}
rules:
  - {id: out, match: {direction: request}, when: words, do: block, mode: enforce}
  - {id: back, match: {direction: response}, when: words, do: redact, mode: enforce}
tests:
"""


def load(folder: Path, *tests: str):
    path = folder / "words.yaml"
    path.write_text(HEAD + "".join(f"  - {test}\n" for test in tests))
    return load_guards((("words.yaml", path),))


def problems(folder: Path, *tests: str) -> list[str]:
    with pytest.raises(PolicyFault) as caught:
        load(folder, *tests)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("path", sorted(shipped_policies_dir().glob("*.yaml")), ids=lambda path: path.stem)
def test_each_shipped_policy_passes_its_own_tests(path: Path) -> None:
    assert load_guards(((path.name, path),)).revision


def test_no_file_is_a_bundle_without_rules() -> None:
    plan = load_guards(()).plan(CallFacts(route="/v1/chat/completions", model="m", provider="p"))
    assert not plan.request_active


@pytest.mark.parametrize(
    "test",
    [
        '{name: t, given: {role: user, text: "an osprey"}, expect: {rule: out, action: block}}',
        '{name: t, given: {role: user, text: "a kestrel"}, expect: {action: allow}}',
        '{name: t, given: {role: assistant, text: "an osprey!"}, expect: {rule: back, action: redact}}',
        '{name: t, given: {stream: ["an osp", "rey"]}, expect: {rule: back, action: redact}}',
        '{name: t, given: {stream: ["a kes", "trel"]}, expect: {action: allow, output: a kestrel}}',
    ],
)
def test_a_bundle_that_does_what_its_tests_say_is_loaded(tmp_path: Path, test: str) -> None:
    assert load(tmp_path, test).revision


@pytest.mark.parametrize(
    ("test", "said"),
    [
        (
            '{name: t, given: {role: user, text: "an osprey"}, expect: {action: allow}}',
            "words.yaml:10: test 't': expected allow, got block",
        ),
        (
            '{name: t, given: {role: user, text: "a kestrel"}, expect: {rule: out}}',
            "words.yaml:10: test 't': expected rule 'out', got no rule",
        ),
        (
            '{name: t, given: {stream: ["an osp", "rey"]}, expect: {output: an osprey}}',
            "words.yaml:10: test 't': the text that is left is not the expected one",
        ),
    ],
)
def test_a_failing_test_is_told_by_line_without_its_text(tmp_path: Path, test: str, said: str) -> None:
    assert problems(tmp_path, test) == [said]


def test_every_failing_test_is_told_at_once(tmp_path: Path) -> None:
    wrong = '{name: %s, given: {role: user, text: "an osprey"}, expect: {action: allow}}'
    assert len(problems(tmp_path, wrong % "one", wrong % "two")) == 2


def test_a_file_that_does_not_check_is_told(tmp_path: Path) -> None:
    path = tmp_path / "words.yaml"
    path.write_text("kind: Policy\n")
    with pytest.raises(PolicyFault) as caught:
        load_guards((("words.yaml", path),))
    assert "words.yaml:1: apiVersion: required" in str(caught.value)
