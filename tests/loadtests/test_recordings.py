"""Cassettes of every form are read, and nothing else."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from loadtests.recordings import read

URL = "https://api.openai.com/v1/chat/completions"
ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
ANSWER = {"model": "gpt-4o-2024-08-06", "choices": [], "usage": {"prompt_tokens": 8, "completion_tokens": 1}}
STREAM = f"data: {json.dumps({**ANSWER, 'usage': None})}\n\ndata: {json.dumps(ANSWER)}\n\ndata: [DONE]\n\n"


def pair(answer: Any, url: str = URL, **other: Any) -> dict[str, Any]:
    return {"request": {"method": "POST", "uri": url, "body": json.dumps(ASKED)}, "response": {"body": answer}, **other}


CASSETTES: dict[str, str | bytes] = {
    "vcr.yaml": yaml.safe_dump({"interactions": [pair({"string": json.dumps(ANSWER)})]}),
    "gzipped.yaml": yaml.safe_dump({"interactions": [pair({"string": gzip.compress(json.dumps(ANSWER).encode())})]}),
    "stream.yaml": yaml.safe_dump({"interactions": [pair({"string": STREAM})]}),
    "ruby.yml": yaml.safe_dump({"http_interactions": [pair({"encoding": "UTF-8", "string": json.dumps(ANSWER)})]}),
    "agent.json": json.dumps(
        {"request": {"url": URL, "body": json.dumps(ASKED)}, "response": {"body": json.dumps(ANSWER)}}
    ),
    "whole.yaml.gz": gzip.compress(yaml.safe_dump({"interactions": [pair({"string": json.dumps(ANSWER)})]}).encode()),
    "parsed.yaml": yaml.safe_dump(
        {"interactions": [{"request": {"uri": URL, "parsed_body": ASKED}, "response": {"parsed_body": ANSWER}}]}
    ),
    "archive.har": json.dumps(
        {
            "log": {
                "entries": [
                    {
                        "request": {"url": URL, "postData": {"text": json.dumps(ASKED)}},
                        "response": {"content": {"text": json.dumps(ANSWER)}},
                    }
                ]
            }
        }
    ),
}


@pytest.mark.parametrize("name", CASSETTES)
def test_a_call_is_read(tmp_path: Path, name: str) -> None:
    file = tmp_path / "owner+name" / "tests" / name
    file.parent.mkdir(parents=True)
    data = CASSETTES[name]
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    (recording,) = read(tmp_path)
    assert (recording.repository, recording.dialect, recording.model) == ("owner+name", "openai_chat", ANSWER["model"])
    assert recording.asked == ASKED
    assert recording.usage == ANSWER["usage"]
    assert (recording.answer is None) == bool(recording.stream) == (name == "stream.yaml")


def test_a_call_that_was_recorded_twice_is_read_once(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(str(CASSETTES["vcr.yaml"]))
    assert len(list(read(tmp_path))) == 1


@pytest.mark.parametrize(
    "other",
    [
        pair({"string": json.dumps(ANSWER)}, url="https://api.example.com/v1/chat/completions"),
        pair({"string": json.dumps({**ANSWER, "usage": None})}),
        pair({"string": json.dumps({**ANSWER, "model": "claude-sonnet"})}),
        pair({"string": "no json"}),
        pair({"string": b"\x1f\x8bbroken"}),
        pair({"base64_string": base64.b64encode(b"{}").decode()}),
        {"request": "/chat/completions"},
        [URL],
    ],
)
def test_what_says_nothing_is_left_out(tmp_path: Path, other: Any) -> None:
    (tmp_path / "a.yaml").write_text(yaml.safe_dump({"interactions": [other]}))
    (tmp_path / "b.json").write_text(json.dumps({"of": URL}) + "broken")
    (tmp_path / "c.yaml").write_text("/chat/completions: [")
    assert not list(read(tmp_path))
