from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.cli.conftest import Weighbridge
from tests.support.operator_plane import OperatorPlane, exchange
from tests.support.recorded import HEAD, line

OLD = f"""{HEAD}\
detectors:
  o: {{use: pattern, patterns: ["osprey"]}}
  h: {{use: pattern, patterns: ["heron"]}}
rules:
  - {{id: no-osprey, when: o, do: block, mode: audit}}
  - {{id: heron-out, when: h, do: redact, mode: enforce}}
"""
NEW = OLD.replace("do: block, mode: audit", "do: block, mode: enforce").replace(
    "redact, mode: enforce", "redact, mode: audit"
)


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str, str]:
    """Two policies, and a file of calls."""
    old, new, calls = tmp_path / "old.yaml", tmp_path / "new.yaml", tmp_path / "calls.jsonl"
    old.write_text(OLD)
    new.write_text(NEW)
    lines = [
        line("plain", "hm"),
        line("an osprey", "hm"),
        line("bird", "an osprey", stream=True),
        line("a heron", "hm"),
    ]
    calls.write_bytes(b"\n".join([*lines, line("no answer", request_body=None)]))
    return str(old), str(new), str(calls)


def test_machines_are_told_the_counts_and_the_same_by_rule(weighbridge: Weighbridge, files: tuple[str, str, str]):
    old, new, calls = files
    done = weighbridge("policy", "diff", old, new, "--replay", calls, "--json")
    assert done.returncode == 0, done.stderr
    said = orjson.loads(done.stdout)
    assert [said[name] for name in ("replayed", "newly_blocked", "newly_edited", "newly_allowed")] == [4, 2, 0, 1]
    rules = {row["rule"]: row for row in said["by_rule"]}
    counts = ("newly_blocked", "newly_edited", "newly_allowed", "held_before", "held_after")
    assert [rules["no-osprey"][name] for name in counts] == [2, 0, 0, 2, 2]
    assert [rules["heron-out"][name] for name in counts] == [0, 0, 1, 1, 1]
    assert (said["left_out"], said["rules_left_out"], said["recorded"]) == ({"no_body": 1}, [], 5)
    assert {each["change"] for each in said["samples"]} == {"newly_blocked", "newly_allowed"}
    assert said["samples"][0]["spans"][0].keys() == {"direction", "path", "start", "end", "detector"}
    assert b"osprey" not in done.stdout.replace(b"no-osprey", b"")


def test_a_person_is_shown_what_changes_and_what_could_not_be_judged(
    weighbridge: Weighbridge, files: tuple[str, str, str]
):
    old, new, calls = files
    done = weighbridge("policy", "diff", old, new, "--replay", calls, "--jobs", "2", "--samples", "1")
    assert done.returncode == 0, done.stderr
    out = done.stdout.decode()
    assert "4 calls judged by both" in out
    assert "not judged: 1 have no body" in out
    assert "newly blocked 2, newly edited 0, newly allowed 1" in out
    assert out.count("newly blocked by no-osprey: 0192f3a1-") == 1
    assert "newly allowed by heron-out: 0192f3a1-" in out


@pytest.mark.parametrize(("most", "code"), [("2", 0), ("1", 1)])
def test_more_new_blocks_than_allowed_are_an_exit_code(
    weighbridge: Weighbridge, files: tuple[str, str, str], most: str, code: int
):
    old, new, calls = files
    done = weighbridge("policy", "diff", old, new, "--replay", calls, "--max-new-blocks", most, "--json")
    assert (done.returncode, orjson.loads(done.stdout)["newly_blocked"]) == (code, 2)
    assert (b"2 calls are newly blocked, and 1 may be" in done.stderr) is (code == 1)


def test_a_folder_is_one_bundle_and_a_configuration_names_one(weighbridge: Weighbridge, tmp_path: Path):
    def files(name: str, mode: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        head, _, rules = OLD.replace("audit", mode).partition("rules:\n")
        (folder / "a.yaml").write_text(f"{head}rules:\n{rules.splitlines()[0]}\n".replace("name: n", "name: a"))
        (folder / "b.yaml").write_text(
            f"{head}rules:\n{rules.splitlines()[1]}\n".replace("name: n", "name: b")
            .replace("o: {", "p: {").replace("  h: {", "  i: {").replace("when: h", "when: i")
        )  # fmt: skip
        return folder

    old, new = files("old", "audit"), files("new", "enforce")
    config = tmp_path / "weighbridge.yaml"
    config.write_text("version: 1\nproviders: {sim: {kind: sim}}\npolicies: {dir: new, bundle: [a.yaml, b.yaml]}\n")
    calls = tmp_path / "calls.jsonl"
    calls.write_bytes(line("an osprey") + b"\n" + line("a heron"))
    found: list[Any] = []
    for target in (str(new), str(config)):
        done = weighbridge("policy", "diff", str(old), target, "--replay", str(calls), "--json")
        assert done.returncode == 0, done.stderr
        found.append(orjson.loads(done.stdout))
    assert [(each["replayed"], each["newly_blocked"]) for each in found] == [(2, 1), (2, 1)]
    assert {row["rule"] for row in found[0]["by_rule"]} == {"no-osprey", "heron-out"}


def test_calls_of_the_trace_store_are_replayed(weighbridge: Weighbridge, plane: OperatorPlane, tmp_path: Path):
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    # By the key of these calls alone: the store has others too.
    mine = OLD.replace("when: o", "match: {team: replayed}, when: o")
    old.write_text(mine)
    new.write_text(mine.replace("audit", "enforce"))
    body = orjson.loads(line("an osprey"))["request_body"]
    plane.record(*[exchange(team="replayed", request_body=body) for _ in range(3)], exchange(request_body=body))
    words = ("--replay", "last:1h", "--operator", plane.address, "--json")
    done = weighbridge("policy", "diff", str(old), str(new), *words)
    assert done.returncode == 0, done.stderr
    said = orjson.loads(done.stdout)
    assert said["newly_blocked"] == 3
    assert said["replayed"] >= 4
    assert said["replayed"] + sum(said["left_out"].values()) == said["recorded"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("gone.yaml", "NEW", "--replay", "CALLS"), 1, b"gone.yaml: no policy is there"),
        (("OLD", "BROKEN", "--replay", "CALLS"), 1, b"broken.yaml:"),
        (("OLD", "NEW", "--replay", "EMPTY"), 1, b"no recorded call could be judged by both"),
        (("OLD", "NEW", "--replay", "7d"), 2, b"last:"),
        (("OLD", "NEW", "--replay", "CALLS", "--jobs", "0"), 2, b"should be 1 to 64"),
        (("OLD", "NEW", "--replay", "CALLS", "--max-new-blocks", "few"), 2, b"should be a number"),
        (("OLD", "NEW", "--replay", "last:1h", "--operator", "127.0.0.1:1"), 3, b"cannot be reached"),
    ],
)
def test_what_cannot_be_compared_is_said(
    weighbridge: Weighbridge,
    files: tuple[str, str, str],
    tmp_path: Path,
    words: tuple[str, ...],
    code: int,
    said: bytes,
):
    old, new, calls = files
    broken, empty = tmp_path / "broken.yaml", tmp_path / "empty.jsonl"
    broken.write_text(f"{HEAD}rules: [{{id: r}}]\n")
    empty.touch()
    named = {"OLD": old, "NEW": new, "CALLS": calls, "BROKEN": str(broken), "EMPTY": str(empty)}
    done = weighbridge("policy", "diff", *[named.get(word, word) for word in words])
    assert done.returncode == code, done.stderr
    assert said in done.stderr
