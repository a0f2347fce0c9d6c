from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gateway.config.shipped import shipped_policies_dir
from gateway.policy.compile import revision_of
from gateway.policy.load import bundle_of, load_bundle
from gateway.policy.rulesets import shipped_secrets

GOOD = """\
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: n}
detectors: {keys: {use: secrets}}
rules: [{id: r, when: keys, do: redact, mode: enforce}]
"""


def test_files_are_read(tmp_path: Path):
    (tmp_path / "a.yaml").write_text(GOOD)
    loaded = load_bundle([("policies/a.yaml", tmp_path / "a.yaml")])
    assert loaded.problems == ()
    assert loaded.bundle
    assert (loaded.bundle.revision, [rule.id for rule in loaded.bundle.rules]) == (
        revision_of([GOOD, shipped_secrets().text]),
        ["r"],
    )


def test_every_problem_of_every_file_comes_at_once_in_their_order(tmp_path: Path):
    (tmp_path / "b.yaml").write_text("rules: {}\nfoo: 1\n")
    (tmp_path / "a.yaml").write_text("a: [")
    loaded = load_bundle([(name, tmp_path / name) for name in ("gone.yaml", "b.yaml", "a.yaml")])
    assert loaded.bundle is None
    assert [str(problem) for problem in loaded.problems] == [
        "gone.yaml: cannot be read: No such file or directory",
        "b.yaml:1: apiVersion: required",
        "b.yaml:1: kind: required",
        "b.yaml:1: metadata.name: required",
        "b.yaml:1: rules: should be a list",
        "b.yaml:2: foo: unknown key",
        "a.yaml:1: not valid YAML: expected the node content, but found '<stream end>'",
    ]


def test_no_file_is_a_bundle_that_does_nothing():
    loaded = load_bundle([])
    assert loaded.bundle
    assert (loaded.bundle.revision, loaded.bundle.rules, loaded.tests) == (revision_of([]), (), ())


def test_the_shipped_baseline_redacts_secrets_both_ways_and_tests_itself():
    loaded = load_bundle([("baseline.yaml", shipped_policies_dir() / "baseline.yaml")])
    assert loaded.problems == ()
    assert loaded.bundle
    assert {(rule.match.direction, rule.action, rule.mode) for rule in loaded.bundle.rules} == {
        (("request",), "redact", "enforce"),
        (("response",), "redact", "enforce"),
    }
    assert {test.rule for test in loaded.tests} >= {rule.id for rule in loaded.bundle.rules}
    assert sum(test.action == "allow" for test in loaded.tests) >= 3


def test_a_shipped_pack_s_tests_are_about_that_pack_alone(tmp_path: Path):
    (tmp_path / "ours.yaml").write_text(GOOD + "tests: [{name: t, given: {role: user, text: x}, expect: {rule: r}}]\n")
    shipped = ("baseline.yaml", shipped_policies_dir() / "baseline.yaml")
    assert {test.file for test in load_bundle([shipped]).tests} == {"baseline.yaml"}
    assert {test.file for test in load_bundle([shipped, ("ours.yaml", tmp_path / "ours.yaml")]).tests} == {"ours.yaml"}


def test_the_shipped_packs_go_together():
    packs = sorted(shipped_policies_dir().glob("*.yaml"))
    loaded = load_bundle([(pack.name, pack) for pack in packs])
    assert loaded.problems == ()
    assert len(loaded.files) == len(packs)


PIECES = st.sampled_from(
    [
        "apiVersion: weighbridge/v1",
        "kind: Policy",
        "metadata: {name: n}",
        "detectors:",
        "  a: {use: secrets}",
        "  b: {use: pattern, patterns: ['(', x+]}",
        "rules:",
        "- {id: r, when: a, do: block, mode: audit}",
        "- {id: r}",
        "- {id: s, when: 'not (', do: [{}], mode: 1}",
        "tests:",
        "- {name: t, given: {stream: ['{{rand:9}}']}, expect: 1}",
        "- 5",
        "rules: 5",
        "tests: {}",
        "detectors: []",
    ]
)


@given(st.lists(st.one_of(st.lists(PIECES, max_size=10).map("\n".join), st.text(max_size=60)), max_size=3))
def test_no_text_raises(texts: list[str]):
    loaded = bundle_of([(f"{number}", text) for number, text in enumerate(texts)])
    assert (loaded.bundle is None) == bool(loaded.problems)
