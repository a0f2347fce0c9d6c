from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from gateway.cli.main import main

CONFIG = """\
version: 1
providers:
  one: {kind: openai, base_url: "http://one.example/v1", load: {kind: vllm, url: "http://one.example", every: 500ms}}
  two: {kind: anthropic, base_url: "http://two.example/v1"}
models:
  - alias: m
    candidates:
      - {provider: one, model: small, weight: 3, concurrency: 2}
      - {provider: two, model: large}
    strategy: weighted
    retry: {attempts: 1, on: [429]}
    probe: {every: 1m, max_cost_usd_per_day: 0.25}
    mirror: {to: two/other, sample: 2%}
  - {alias: plain, candidates: [{provider: two, model: large}]}
"""
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "logit_bias": {"5": 1}}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WEIGHBRIDGE_CONFIG", raising=False)
    (tmp_path / "weighbridge.yaml").write_text(CONFIG)
    (tmp_path / "request.json").write_bytes(orjson.dumps(CHAT))
    return tmp_path


def test_a_route_is_told_in_lines(home: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["explain-route", "request.json"]) == 0
    told = capsys.readouterr()
    first, second, _, heading, one, two, *rest = told.out.splitlines()
    assert first == "/v1/chat/completions (openai_chat): model m"
    assert second == "alias m, strategy weighted; shares of 1000 calls like this one, 1 under way"
    assert heading.split()[:4] == ["deployment", "role", "weight", "share"]
    assert one.split()[:4] == ["one/small", "candidate", "3", "100.0%"]
    assert "at most 2 at once" in one
    assert "its load is read (vllm, every 0.5 s)" in one
    assert "cannot carry it: 'logit_bias'" in two
    assert "first pick, then as each fails: one/small -> one/small (retry)" in rest
    assert "further tries: 1, on 429" in rest
    assert "timers: connect 5 s, first token 120 s, idle 120 s, total 600 s" in rest
    assert (
        "probes: after 60 s without a call, and where a breaker wants to know; 16 tokens, $0.25 a day at most" in rest
    )
    (mirror,) = [line for line in rest if line.startswith("mirror: ")]
    assert mirror.startswith("mirror: 2% of calls, once answered, to two/other; 4 at once, 16 waiting, 60 s each;")
    assert "not this one: 'logit_bias'" in mirror
    assert any(line.startswith("breaker: opens after 3 failures in a row") for line in rest)
    queue = "queue: while all are full up to 64 calls wait for up to 5 s, in turn by key; others are turned away"
    assert queue in rest
    assert any(line.startswith("outliers: 20% more failures than the others in 30 s: left alone") for line in rest)
    assert "note: health is not known here" in told.err


def test_how_a_cut_stream_goes_on_is_told(home: Path, capsys: pytest.CaptureFixture[str]):
    (home / "weighbridge.yaml").write_text(CONFIG.replace("    strategy: weighted", "    continue: {times: 3}"))
    (home / "request.json").write_bytes(orjson.dumps(CHAT | {"stream": True}))
    assert main(["explain-route", "request.json"]) == 0
    assert "when its stream is cut: gone on with, up to 3 times, asked by auto" in capsys.readouterr().out


def test_calls_that_nobody_can_take_are_told(home: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["explain-route", "request.json", "--under-way", "4"]) == 0
    assert "% of 1000 calls, 4 under way, find all of them full and wait" in capsys.readouterr().out


def test_a_route_is_told_to_machines(home: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["explain-route", "-c", "weighbridge.yaml", "request.json", "--json"]) == 0
    shown = orjson.loads(capsys.readouterr().out)
    assert (shown["alias"], shown["dialect"], shown["strategy"]) == ("m", "openai_chat", "weighted")
    assert [(each["provider"], each["can"], each["share"]) for each in shown["candidates"]] == [
        ("one", True, 1.0),
        ("two", False, 0.0),
    ]


RULES = """\
version: 1
providers:
  one: {kind: openai, base_url: "http://one.example/v1"}
  two: {kind: openai, base_url: "http://two.example/v1"}
models:
  - alias: m
    strategy: when-rules
    candidates:
      - {provider: one, model: small, when: {tag: tier=free}}
      - {provider: two, model: large, arm: x}
      - {provider: two, model: huge, arm: y}
    split: {name: ab, arms: {x: 99.9%, y: 0.1%}}
"""


def test_conditions_and_arms_are_told(home: Path, capsys: pytest.CaptureFixture[str]):
    (home / "weighbridge.yaml").write_text(RULES)
    assert main(["explain-route", "request.json", "--tag", "tier=free", "--key", "k"]) == 0
    told = capsys.readouterr().out
    assert "split ab: arm x\n" in told
    assert 'conditions ask: tags {"tier":"free"}' in told
    assert "first pick, then as each fails: one/small -> two/large (fallback)" in told
    assert main(["explain-route", "request.json"]) == 0
    told = capsys.readouterr().out
    assert "split ab: an arm by chance for each call" in told
    assert "not for it: tag" in told
    with pytest.raises(SystemExit):
        main(["explain-route", "request.json", "--tag", "free"])


def test_the_path_says_where_it_goes(home: Path, capsys: pytest.CaptureFixture[str]):
    (home / "gemini.json").write_bytes(orjson.dumps({"contents": [{"parts": [{"text": "hello"}]}]}))
    assert main(["explain-route", "--path", "/v1beta/models/plain:generateContent", "gemini.json"]) == 0
    told = capsys.readouterr().out
    assert "alias plain, the first deployment serves every call" in told
    assert "further tries: none" in told


@pytest.mark.parametrize(
    ("body", "words", "code", "said"),
    [
        ({"model": "gone", "messages": []}, (), 1, "refused with 404 model_not_found"),
        ({"contents": []}, (), 1, "say it with --path"),
        (CHAT | {"model": "plain"}, (), 1, ""),
        (CHAT, ("-c", "gone.yaml"), 1, "gone.yaml"),
    ],
)
def test_what_gets_nowhere_is_told(
    body: object, words: tuple[str, ...], code: int, said: str, home: Path, capsys: pytest.CaptureFixture[str]
):
    (home / "request.json").write_bytes(orjson.dumps(body))
    assert main(["explain-route", "request.json", *words]) == code
    assert said in capsys.readouterr().err


def test_a_file_that_is_not_there_is_a_matter_of_usage(home: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["explain-route", "gone.json"]) == 2
    assert "No such file" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["explain-route", "request.json", "--under-way", "0"])
