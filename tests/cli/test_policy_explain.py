from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from gateway.cli.main import main
from gateway.cli.policy_explain import lines
from gateway.core.explanation import DetectorShown, Explanation, FindingShown, RuleShown, SegmentShown
from tests.support.operator_plane import exchange

POLICY = """\
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: n}
detectors: {words: {use: pattern, patterns: [osprey]}}
rules:
  - {id: out, match: {direction: request, team: a}, when: words, do: block, mode: enforce}
"""
CHAT = {"model": "m", "messages": [{"role": "user", "content": "an osprey"}]}


def shown(**changes: object) -> Explanation:
    values = {
        "direction": "request", "revision": "0123456789ab", "segments": (), "detectors": (), "rules": (),
        "unmatched": (), "action": "allow", "rule": "", "route": "", "taint": False, "score": 0.0,
        "annotate_at": None, "block_at": None, "coverage": 1.0, "microseconds": 12.34, **changes,
    }  # fmt: skip
    return Explanation(**values)


def test_a_call_to_which_nothing_happens_is_one_line():
    assert list(lines(shown())) == ["request: allow, 100% of the texts scanned, 12.3 µs, policies 0123456789ab"]


def test_everything_that_was_decided_is_in_the_first_line():
    (line,) = lines(
        shown(
            action="block", rule="scoring:request", route="pool", taint=True, score=5.0, annotate_at=3.0, block_at=5.0,
            coverage=0.5, microseconds=1234.0,
        )
    )  # fmt: skip
    assert line == (
        "request: block, by rule scoring:request, goes to pool, taints the session, "
        "5 points (annotated from 3, blocked from 5), 50% of the texts scanned, 1.2 ms, policies 0123456789ab"
    )


def test_each_text_has_its_detectors_and_rules():
    findings = tuple(FindingShown(kind="KEY", start=n, end=n + 3) for n in range(10))
    segment = SegmentShown(
        path="messages[0].content", role="tool", kind="tool_result", tool="search", chars=99, scan_microseconds=3.0,
        detectors=(
            DetectorShown(name="keys", use="secrets", form="pattern", microseconds=1.0, findings=findings),
            DetectorShown(
                name="inj", use="injection", form="text", microseconds=41.0, views=("raw", "leet"),
                findings=(FindingShown(kind="wit", start=0, end=4, score=0.4, view="leet", counted=False),),
            ),
            DetectorShown(
                name="far", use="webhook", form="outside", microseconds=9.0, error="no answer", on_error="block",
            ),
            DetectorShown(name="still", use="unicode", form="text", microseconds=0.5),
        ),
        rules=(
            RuleShown(id="a", mode="enforce", acts=True, fired=True, detectors=("keys",), steps=("redact",)),
            RuleShown(id="b", mode="audit", acts=False, fired=True, detectors=("inj",), steps=("block",)),
            RuleShown(id="c", mode="enforce", acts=True, fired=False, why_not="when"),
            RuleShown(id="d", mode="enforce", acts=True, fired=False, why_not="excluded", excluded_by=("ex-1",)),
        ),
    )  # fmt: skip
    whole = RuleShown(id="w", mode="enforce", acts=True, fired=True, detectors=("size",), steps=("block",))
    size = DetectorShown(
        name="size",
        use="limits",
        form="call",
        microseconds=2.0,
        findings=(FindingShown(kind="turns", path="messages"),),
    )
    apart = RuleShown(id="z", mode="enforce", acts=True, fired=False, why_not="team")
    said = list(lines(shown(segments=(segment,), detectors=(size,), rules=(whole,), unmatched=(apart,))))
    assert said[1:] == [
        "  messages[0].content: tool tool_result of search, 99 characters, scanned in 3.0 µs",
        "    detector keys (secrets) in 1.0 µs: " + "; ".join(f"KEY at {n}-{n + 3}" for n in range(8)) + "; 2 more",
        "    detector inj (injection, views raw leet) in 41.0 µs: wit at 0-4 in view leet score 0.40 (below min_score)",
        "    detector far (webhook) in 9.0 µs: could not judge (no answer); on_error: block",
        "    detector still (unicode) in 0.5 µs: nothing",
        "    rule a holds: keys; redact (enforce)",
        "    rule b holds: inj; would block (audit)",
        "    rules that do not hold here: c (when), d (excluded but for ex-1)",
        "  the request as a whole",
        "    detector size (limits) in 2.0 µs: turns at messages",
        "    rule w holds: size; block (enforce)",
        "  rules that do not apply to this call: z (team)",
    ]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WEIGHBRIDGE_CONFIG", raising=False)
    (tmp_path / "ours.yaml").write_text(POLICY)
    (tmp_path / "request.json").write_bytes(orjson.dumps(CHAT))
    return tmp_path


def test_a_file_is_explained_by_the_policies_that_are_named(home: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["policy", "explain", "request.json", "--policy", "ours.yaml", "--team", "a"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("request: block, by rule out")
    assert "detector words (pattern)" in said
    assert "osprey" not in said
    assert main(["policy", "explain", "request.json", "--policy", "ours.yaml", "--json"]) == 0
    document = orjson.loads(capsys.readouterr().out)
    assert [(each["direction"], each["action"]) for each in document["explanations"]] == [("request", "allow")]
    assert [rule["why_not"] for rule in document["explanations"][0]["unmatched"]] == ["team"]


def test_without_a_policy_the_bundle_in_force_is_taken(home: Path, capsys: pytest.CaptureFixture[str]):
    (home / "weighbridge.yaml").write_text("version: 1\npolicies: {dir: ., bundle: [ours.yaml]}\n")
    assert main(["policy", "explain", "request.json", "--team", "a", "--tag", "env=prod"]) == 0
    assert "by rule out" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("gone.json",), 2, "No such file"),
        (("ours.yaml",), 1, "the file is not JSON"),
        (("request.json", "--tag", "prod"), 1, "--tag should be NAME=VALUE"),
        (("request.json", "--policy", "gone.yaml"), 1, "cannot be read"),
    ],
)
def test_what_cannot_be_explained_is_told(words, code: int, said: str, home: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["policy", "explain", *words]) == code
    assert said in capsys.readouterr().err


def test_an_exchange_is_explained_from_its_captured_bodies(plane, home: Path, capsys: pytest.CaptureFixture[str]):
    address = f"127.0.0.1:{plane.port}"
    whole = exchange(team="a", request_body=orjson.dumps(CHAT).decode(), policy_revision="0123456789ab")
    bare = exchange(team="a")
    plane.record(whole, bare)
    assert main(["policy", "explain", whole.id, "--policy", "ours.yaml", "--operator", address]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("request: block, by rule out")
    assert "note: the exchange was judged by policies 0123456789ab" in said.err
    assert main(["policy", "explain", bare.id, "--policy", "ours.yaml", "--operator", address]) == 1
    assert "no body of this exchange was captured" in capsys.readouterr().err


def test_an_exchange_that_nobody_captured_is_told(plane, home: Path, capsys: pytest.CaptureFixture[str]):
    address = f"127.0.0.1:{plane.port}"
    gone = "0192f3a1-7c4e-7d0a-9b1c-2f6d8e4a5b3c"
    assert main(["policy", "explain", gone, "--policy", "ours.yaml", "--operator", address]) == 1
    assert "No exchange has this id" in capsys.readouterr().err
    assert main(["policy", "explain", gone, "--policy", "ours.yaml", "--operator", "127.0.0.1:1"]) == 3
