from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from gateway.app.models import Models
from gateway.app.policies import PolicyFault, load_guards, load_policies
from gateway.config.shipped import shipped_policies_dir
from gateway.core.errors import Misconfigured, StoreUnavailable
from gateway.core.verdict import CallFacts
from gateway.guards.models.scoring import Scorer
from tests.support.docs_pages import ROOT
from tests.support.scorers import Room
from tests.support.settings import good
from tests.support.settings import load as load_configuration

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


def test_the_example_of_the_contract_is_in_force() -> None:
    example = ROOT / "tests" / "golden" / "config" / "contract" / "policies"
    file = (("support-agents.yaml", example / "support-agents.yaml"),)
    found = load_policies(file, models=Models(Room()))
    assert found.tests == 3
    assert [(rule.id, rule.action, rule.mode) for rule in found.bundle.rules if rule.id != "no-keys"] == [
        ("no-secrets-out", "redact", "enforce"),
        ("no-secrets-back", "redact", "enforce"),
        ("mask-pii", "mask", "enforce"),
        ("injection", "score", "canary"),
        ("tool-injection", "score", "enforce"),
        ("exfil", "rewrite", "enforce"),
        ("osprey", "route", "shadow"),
    ]
    assert [exclusion.id for rule in found.bundle.rules for exclusion in rule.exclusions] == ["ex-17"]
    assert {detector.on_error for detector in found.bundle.detectors} == {"block", "rules_only", "allow"}
    assert {name: form for name, form in found.engine.kit.forms.items() if "model" in form} == {
        "names": "model",
        "inj": "text+model",
    }


def test_a_model_that_cannot_be_had_is_told_by_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "words.yaml"
    path.write_text(HEAD.replace("{use: pattern", "{use: injection, target_fpr: 0.01%} #") + "  []\n")
    with pytest.raises(PolicyFault) as caught:
        load_policies((("words.yaml", path),), models=Models(Room()))
    assert [str(problem) for problem in caught.value.problems] == [
        "words.yaml:5: detectors.words: target_fpr: injection cannot be measured below 0.5%"
    ]

    def missing() -> None:
        raise Misconfigured("the extra is not installed")

    with pytest.raises(PolicyFault, match=r"words.yaml:5: detectors.words: the extra is not installed"):
        load_policies((("words.yaml", path),), models=Models(Room(), missing))


def test_tests_ask_models_and_let_go_of_them(tmp_path: Path) -> None:
    path = tmp_path / "words.yaml"
    text = HEAD.replace("{use: pattern", "{use: injection, target_fpr: 1%} #")
    test = '    - {name: %s, given: {role: user, text: "%s"}, expect: {action: %s}}\n'
    path.write_text(text + test % ("bad", "the poison works", "block") + test % ("good", "the tea works", "allow"))
    rooms: list[Room] = []

    def load(name: str) -> Scorer:
        rooms.append(Room())
        return rooms[-1](name)

    found = load_policies((("words.yaml", path),), models=Models(load))
    assert (found.tests, found.notices) == (2, ())
    [room] = rooms
    # The first question loads the model.
    assert room.asked[1:] == ["the poison works", "the tea works"]
    assert room.scorers["injection"].closed
    # The process's own is loaded when it is first asked.
    asyncio.run(found.engine.warm())
    assert len(rooms) == 2


def test_tests_whose_model_is_not_there_are_left_out_and_that_is_told(tmp_path: Path) -> None:
    path = tmp_path / "words.yaml"
    test = '    - {name: bad, given: {role: user, text: "poison"}, expect: {action: block}}\n'
    path.write_text(HEAD.replace("{use: pattern", "{use: injection, target_fpr: 1%} #") + test)
    found = load_policies((("words.yaml", path),), models=Models(Room(error=StoreUnavailable("away"))))
    assert found.notices == (
        "1 test left out: no model to ask for words (store_unavailable); weighbridge models build",
    )


def test_a_call_can_only_be_sent_to_an_alias_that_there_is(tmp_path: Path) -> None:
    path = tmp_path / "words.yaml"
    path.write_text(HEAD.replace("do: block", "do: {route: privat-pool}") + "  []\n")
    model = "{alias: %s, candidates: [{provider: sim, model: sim/echo}]}"
    known = good(load_configuration(tmp_path, f"version: 1\nmodels: [{model % 'priv*'}]\n"))
    assert load_policies((("words.yaml", path),), known).bundle.rules[0].action == "route"
    other = good(load_configuration(tmp_path, f"version: 1\nmodels: [{model % 'private-pool'}]\n"))
    with pytest.raises(PolicyFault) as caught:
        load_policies((("words.yaml", path),), other)
    assert [str(problem) for problem in caught.value.problems] == [
        "words.yaml:7: rule 'out': no model alias is named 'privat-pool'; did you mean 'private-pool'?"
    ]


READS = """\
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: pictures}
detectors:
  words: {use: pattern, patterns: ["osprey"]}
  pictures: {use: image_text, detectors: [words]}
rules:
  - {id: p, match: {direction: request}, when: pictures, do: block, mode: enforce}
"""


def test_images_are_not_read_without_the_extra_and_the_policy_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pictures.yaml"
    path.write_text(READS)
    files = (("pictures.yaml", path),)
    assert load_guards(files).plan(CallFacts()).reads_images
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    with pytest.raises(PolicyFault) as caught:
        load_guards(files)
    [problem] = caught.value.problems
    assert (problem.file, problem.line) == ("pictures.yaml", 6)
    assert problem.message.startswith("detectors.pictures: reading images needs the extra [ocr]: pip install")
