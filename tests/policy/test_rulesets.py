from __future__ import annotations

import pytest

from gateway.core.pattern_width import OTHER, shape
from gateway.guards.validators import CHECKS
from gateway.policy.rulesets import CHECK_NAMES, REQUIRED_BITS, Kind, choose, read_rules, shipped_secrets, unknown

KINDS = shipped_secrets().kinds
HEAD = "apiVersion: weighbridge/v1\nkind: SecretRules\nmetadata: {name: ours}\ngroups:\n  - name: Ours\n    kinds:\n"


def named(kind: Kind) -> str:
    return kind.pattern.name


def problems(*lines: str) -> list[str]:
    loaded = read_rules(HEAD + "".join(f"      - {line}\n" for line in lines), "ours.yaml")
    assert loaded.rules is None
    return [str(problem) for problem in loaded.problems]


@pytest.mark.parametrize("kind", KINDS, ids=named)
def test_each_kind_can_run_and_has_a_sample_that_is_made_up(kind: Kind) -> None:
    pattern = kind.pattern
    assert shape(pattern.expression).longest == pattern.max_chars
    assert pattern.opens == bool(pattern.closes)
    assert pattern.opens or pattern.validator in CHECKS
    assert "{{" in kind.sample
    assert kind.prefixed or pattern.validator.startswith(("assigned", "bearer"))


@pytest.mark.parametrize("kind", KINDS, ids=named)
def test_no_kind_begins_as_prose_does(kind: Kind) -> None:
    for first, *others in shape(kind.pattern.expression).prefixes:
        assert not first & OTHER
        assert first.bit_count() <= 16
        # What begins with any letter would hold every word back.
        assert others or first.bit_count() <= 3 or first.bit_count() in (10, 16)


def test_every_check_that_a_rule_file_may_name_exists() -> None:
    assert CHECKS.keys() == CHECK_NAMES


def test_there_are_many_kinds_each_once() -> None:
    assert len(KINDS) >= 200
    assert len({named(kind) for kind in KINDS}) == len(KINDS)
    assert len({kind.group for kind in KINDS}) >= 12


def test_the_shipped_rules_are_read_once() -> None:
    assert shipped_secrets() is shipped_secrets()


def test_a_file_of_ones_own_is_read_whole() -> None:
    loaded = read_rules(
        HEAD + "      - {id: OUR_KEY, label: KEY, expression: 'ours_[a-z]{20}\\s+x', "
        "check: word, entropy: 3.5, allow: ['ours_*']}\n"
        "      - {id: OUR_BLOCK, expression: 'BEGIN OURS', closes: END OURS}\n",
        "ours.yaml",
    )
    assert loaded.problems == ()
    assert loaded.rules
    key, block = (kind.pattern for kind in loaded.rules.kinds)
    assert (key.name, key.label, key.validator, key.entropy, key.allow) == ("OUR_KEY", "KEY", "word", 3.5, ("ours_*",))
    assert (key.expression, key.max_chars) == ("ours_[a-z]{20}\\s{1,32}x", 58)
    assert (block.label, block.opens, block.closes) == ("OUR_BLOCK", True, "END OURS")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{id: A, expression: 'x+', check: word}", "expression: a match has no longest length"),
        ("{id: A, expression: 'x(?=y)', check: word}", "expression: assert is not supported"),
        ("{id: A, expression: xy, check: wrod}", "check: there is no check 'wrod'; did you mean 'word'?"),
        ("{id: A, expression: xy}", "A needs either check or closes"),
        ("{id: A, expression: xy, check: word, closes: z}", "A needs either check or closes"),
        ("{id: A, expression: xy, check: word, alow: [x]}", "alow: unknown key; did you mean 'allow'?"),
        ("{id: a-b, expression: xy, check: word}", "id: should match pattern"),
        ("{id: A, expression: xy, check: word, entropy: 9}", "entropy: should be less than or equal to 6"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(line: str, message: str) -> None:
    found = problems("{id: B, expression: xy, check: word}", line)
    assert len(found) == 1
    assert found[0].startswith("ours.yaml:8: groups[0].kinds[1]")
    assert message in found[0]


def test_every_problem_is_told_at_once() -> None:
    found = problems(
        "{id: A, expression: 'x*', check: word}",
        "{id: B, expression: xy}",
        "{id: C, expression: xy, check: word, x: 1}",
        "{id: D, expression: xy, check: word}",
        "{id: D, expression: xz, check: word}",
    )
    assert [message.partition(": ")[0] for message in found] == [f"ours.yaml:{line}" for line in (7, 8, 9, 11)]
    assert found[3].endswith("D is there already, on line 10")


def test_an_empty_file_is_no_rules() -> None:
    loaded = read_rules("apiVersion: weighbridge/v1\nkind: SecretRules\nmetadata: {name: a}\ngroups: []\n", "ours.yaml")
    assert [str(problem) for problem in loaded.problems] == ["ours.yaml: holds no kinds"]


def test_a_file_that_is_no_yaml_says_where() -> None:
    loaded = read_rules(HEAD + "      - {id: [\n", "ours.yaml")
    assert loaded.rules is None
    assert str(loaded.problems[0]).startswith("ours.yaml:8: not valid YAML")


def test_kinds_are_chosen_by_globs() -> None:
    rules = shipped_secrets()
    assert [pattern.name for pattern in choose(rules, kinds=["GITHUB_*"])] == ["GITHUB_TOKEN", "GITHUB_PAT"]
    assert [pattern.name for pattern in choose(rules, kinds=["GITHUB_*"], besides=["*_PAT"])] == ["GITHUB_TOKEN"]
    assert list(unknown(rules, ["GITHUB_*", "GITHUP_PAT", "AWS_KEY"])) == [
        ("GITHUP_PAT", "; did you mean 'GITHUB_PAT'?")
    ]


def test_prefix_leaves_out_what_only_a_name_makes_a_secret() -> None:
    rules = shipped_secrets()
    left = {pattern.name for pattern in choose(rules)} - {pattern.name for pattern in choose(rules, require=["prefix"])}
    assert {"ASSIGNED_PASSWORD", "ASSIGNED_SECRET", "AWS_SECRET"} <= left
    assert "GITHUB_TOKEN" not in left


def test_entropy_is_asked_of_every_kind_that_has_a_body() -> None:
    for pattern in choose(shipped_secrets(), require=["entropy"]):
        assert pattern.opens or pattern.entropy >= REQUIRED_BITS


def test_samples_of_a_policy_come_on_top_of_those_of_the_rules() -> None:
    (pattern,) = choose(shipped_secrets(), kinds=["AWS_KEY"], allow=["AKIA0000*"])
    assert {"AKIAIOSFODNN7EXAMPLE", "AKIA0000*"} <= set(pattern.allow)
