from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from gateway.cli.main import main
from gateway.config.shipped import shipped_policies_dir

HEAD = "apiVersion: weighbridge/v1\nkind: Policy\nmetadata: {name: n}\n"
GOOD = HEAD + (
    "detectors: {w: {use: pattern, patterns: [osprey]}}\n"
    "rules: [{id: r, match: {direction: request}, when: w, do: block, mode: enforce}]\n"
    "tests:\n"
    "- {name: bird, given: {role: user, text: an osprey}, expect: {rule: r, action: block}}\n"
)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WEIGHBRIDGE_CONFIG", raising=False)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["policy", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


def write(name: str, text: str) -> None:
    path = Path(name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def test_without_a_path_the_bundle_of_the_configuration_is_meant(capsys):
    write("policies/ours.yaml", GOOD)
    write("weighbridge.yaml", "version: 1\npolicies: {bundle: [baseline.yaml, ours.yaml]}\n")
    assert run(capsys, "lint") == (0, "ok: 1 bundle\n", "")
    code, out, _ = run(capsys, "test", "--json")
    assert code == 0
    assert {test["file"] for test in orjson.loads(out)["tests"]} == {"policies/ours.yaml"}


def test_each_file_of_a_folder_is_a_bundle_of_its_own(capsys):
    write("policies/a.yaml", GOOD)
    write("policies/b.yaml", GOOD)
    write("policies/notes.txt", "nothing")
    assert run(capsys, "lint", "policies") == (0, "ok: 2 bundles\n", "")
    assert run(capsys, "test", "policies") == (0, "ok: 2 tests\n", "")


def test_what_is_extended_is_not_tested_again(capsys):
    write("a.yaml", GOOD.replace("detectors", "extends: [baseline]\ndetectors"))
    assert run(capsys, "test", "a.yaml") == (0, "ok: 1 test\n", "")


def test_what_lint_finds_is_said_where_an_editor_can_jump_to_it(capsys):
    write("a.yaml", GOOD.replace("w: {use", "v: {use: secrets}, w: {use"))
    assert run(capsys, "lint", "a.yaml") == (1, "a.yaml:4: detector 'v' is used by no rule [unused-detector]\n", "")
    code, out, _ = run(capsys, "lint", "a.yaml", "--json")
    assert (code, orjson.loads(out)) == (
        1,
        {
            "ok": False,
            "bundles": 1,
            "findings": [
                {
                    "file": "a.yaml",
                    "line": 4,
                    "code": "unused-detector",
                    "level": "error",
                    "message": "detector 'v' is used by no rule",
                }
            ],
        },
    )


def test_notes_alone_are_no_failure(capsys):
    write(
        "a.yaml",
        GOOD.replace("match: {direction: request}, when: w", "when: w and not v").replace(
            "w: {", "v: {use: secrets}, w: {", 1
        ),
    )
    code, out, _ = run(capsys, "lint", "a.yaml")
    assert code == 0
    assert "note: rule 'r' holds streams to their end" in out
    assert out.endswith("ok: 1 bundle\n")


def test_a_failing_test_is_told_without_its_text(capsys):
    write("a.yaml", GOOD.replace("action: block}", "action: allow}"))
    assert run(capsys, "test", "a.yaml") == (
        1,
        "a.yaml:7: test 'bird': expected allow, got block\n1 of 1 test failed\n",
        "",
    )
    code, out, _ = run(capsys, "test", "--json", "a.yaml")
    assert code == 1
    assert orjson.loads(out)["tests"] == [
        {
            "file": "a.yaml",
            "line": 7,
            "name": "bird",
            "ok": False,
            "problems": ["test 'bird': expected allow, got block"],
        }
    ]


@pytest.mark.parametrize("command", ["lint", "test"])
def test_what_does_not_load_is_told(command: str, capsys):
    write("a.yaml", GOOD.replace("mode: enforce", "mode: force").replace("osprey]", "'[a-z]{1,1000}']"))
    code, out, _ = run(capsys, command, "a.yaml")
    assert code == 1
    assert "a.yaml:5: rules[0].mode: should be 'audit'" in out
    write("a.yaml", GOOD.replace("osprey]", "'[a-z]{1,1000}']"))
    code, out, _ = run(capsys, command, "a.yaml")
    assert code == 1
    assert "a.yaml:4: detectors.w.patterns[0]: Hyperscan refuses it" in out


@pytest.mark.parametrize("command", ["lint", "test"])
def test_a_path_that_leads_nowhere_is_a_usage_error(command: str, capsys):
    code, out, err = run(capsys, command, "gone.yaml")
    assert (code, out) == (2, "")
    assert "no policy at gone.yaml" in err


def test_the_shipped_packs_are_clean_and_pass_their_tests(capsys):
    packs = str(shipped_policies_dir())
    code, out, _ = run(capsys, "lint", packs, "--json")
    assert (code, [finding for finding in orjson.loads(out)["findings"] if finding["level"] == "error"]) == (0, [])
    code, out, _ = run(capsys, "test", packs)
    assert (code, out.startswith("ok: ")) == (0, True)
