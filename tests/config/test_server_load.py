"""Where a model server's load is read, as the file says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.server_load import LoadSource
from tests.support.settings import good, load, wrong

FILE = """
    version: 1
    providers:
      a: {{kind: openai, base_url: "http://a.example:8000/v1", load: {load}}}
"""


@pytest.mark.parametrize(
    ("written", "source"),
    [
        (
            '{kind: vllm, url: "http://a.example:8000/metrics", every: 500ms}',
            LoadSource(kind="vllm", url="http://a.example:8000/metrics", every_s=0.5),
        ),
        (
            '{kind: triton, url: "http://a.example:8002"}',
            LoadSource(kind="triton", url="http://a.example:8002/metrics", every_s=1.0),
        ),
        (
            '{kind: trtllm, url: "http://a.example/prometheus/metrics/"}',
            LoadSource(kind="trtllm", url="http://a.example/prometheus/metrics", every_s=1.0),
        ),
    ],
)
def test_a_source_is_read(tmp_path: Path, written: str, source: LoadSource) -> None:
    settings = good(load(tmp_path, FILE.format(load=written)))
    assert settings.providers["a"].load == source


def test_without_one_nobody_is_asked(tmp_path: Path) -> None:
    assert good(load(tmp_path, FILE.format(load=""))).providers["a"].load is None


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{kind: tgi, url: http://a.example}", "should be 'vllm', 'sglang', 'triton' or 'trtllm'"),
        ("{kind: vllm}", "load.url: required"),
        ("{kind: vllm, url: grpc://a.example:1}", "should be a base URL"),
        ("{kind: vllm, url: http://a.example, every: 10ms}", "greater than or equal to 0.1"),
        ("{kind: vllm, url: http://a.example, every: 2m}", "less than or equal to 60"),
        ('{kind: vllm, url: "http://127.0.0.1:8080/metrics"}', "is this gateway's own address"),
    ],
)
def test_what_cannot_be_asked_is_said(tmp_path: Path, written: str, said: str) -> None:
    assert any(said in problem for problem in wrong(load(tmp_path, FILE.format(load=written)))), said
