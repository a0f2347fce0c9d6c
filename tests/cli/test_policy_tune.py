from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tests.cli.conftest import Weighbridge
from tests.support.operator_plane import OperatorPlane, exchange
from tests.support.recorded import line

POLICY = """\
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: n}
detectors:
  lang: {use: language, allow: [en]}
rules:
  - {id: c, match: {direction: request, role: user, team: tuned}, when: lang, do: annotate, mode: audit}
"""
ENGLISH = "This is a plain sentence of English that is long enough to be told from others, number %d."
GERMAN = "Morgen fahren wir zusammen mit dem Zug nach Berlin und besuchen dort unsere guten Freunde, Nummer %d."


@pytest.fixture(scope="module")
def recorded(plane: OperatorPlane) -> OperatorPlane:
    def body(text: str) -> bytes:
        return orjson.dumps({"model": "m", "messages": [{"role": "user", "content": text}]})

    texts = [ENGLISH % number for number in range(38)] + [GERMAN % number for number in range(2)]
    records = [exchange(team="tuned", request_body=body(text).decode()) for text in texts]
    records.append(exchange(team="tuned", verdict="block", request_body=body(GERMAN % 9).decode()))
    plane.record(*records)
    return plane


def tune(weighbridge: Weighbridge, plane: OperatorPlane, folder: Path, *words: str):
    path = folder / "ours.yaml"
    path.write_text(POLICY)
    asked = ("--policy", str(path), "--operator", plane.address, "--replay", "last:1h", *words)
    return weighbridge("policy", "tune", *asked)


def test_a_threshold_comes_out_of_recorded_calls(weighbridge: Weighbridge, recorded: OperatorPlane, tmp_path: Path):
    done = tune(weighbridge, recorded, tmp_path, "--detector", "lang", "--target-fpr", "5%", "--json")
    assert done.returncode == 0, done.stderr
    said = orjson.loads(done.stdout)
    assert (said["detector"], said["target_fpr"], said["weighed"]) == ("lang", 0.05, 40)
    assert 0 < said["min_score"] < 1
    assert (said["flagged"], said["share"]) == (2, 0.05)
    assert [mark["target_fpr"] for mark in said["table"]] == [0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001]


def test_a_person_is_shown_the_table_and_what_to_write(
    weighbridge: Weighbridge, recorded: OperatorPlane, tmp_path: Path
):
    done = tune(weighbridge, recorded, tmp_path, "--detector", "lang", "--target-fpr", "10%")
    assert done.returncode == 0, done.stderr
    assert b"lang (language): 40 of" in done.stdout
    assert b"in the policy: lang: {use: language, min_score: 0." in done.stdout
    assert b"too few calls" in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--detector", "lang", "--target-fpr", "0.5%"), 1, b"cannot be measured with 40 calls; at least 200"),
        (("--detector", "keys"), 1, b"no detector is named 'keys'"),
        (("--detector", "lang", "--target-fpr", "5"), 2, b"should be a share"),
        (("--detector", "lang", "--replay", "7d"), 2, b"last:"),
    ],
)
def test_what_cannot_be_told_is_said(
    weighbridge: Weighbridge, recorded: OperatorPlane, tmp_path: Path, words: tuple[str, ...], code: int, said: bytes
):
    done = tune(weighbridge, recorded, tmp_path, *words)
    assert done.returncode == code
    assert said in done.stderr


def test_a_file_of_calls_is_weighed_too(weighbridge: Weighbridge, tmp_path: Path):
    lines = [line(ENGLISH % number, team="tuned") for number in range(19)] + [line(GERMAN % 1, team="tuned")]
    lines += [line(GERMAN % 2, team="tuned", verdict="block"), line("gone", request_body=None), b"nonsense", b"[]"]
    path, policy = tmp_path / "calls.jsonl", tmp_path / "ours.yaml"
    path.write_bytes(b"\n".join(lines))
    policy.write_text(POLICY)
    words = ("--detector", "lang", "--target-fpr", "5%", "--policy", str(policy), "--replay", str(path), "--json")
    done = weighbridge("policy", "tune", *words)
    assert done.returncode == 0, done.stderr
    said = orjson.loads(done.stdout)
    assert (said["replayed"], said["weighed"], said["flagged"]) == (20, 20, 1)
