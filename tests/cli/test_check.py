from __future__ import annotations

import re
from pathlib import Path

import orjson
import pytest

from gateway.app import models
from gateway.cli.main import main
from gateway.config.price_leaps import accept_prices
from gateway.core.prices import PriceRow

GOLDEN = Path(__file__).parents[1] / "golden" / "config"
DIGEST = re.compile(r"\b[0-9a-f]{12}\b")
CASES = sorted(folder.name for folder in GOLDEN.iterdir() if folder.is_dir())
ENVIRON = {"OPERATOR": "t0p", "OPENAI": "sk-1", "CI": "wb-ci", "OPENAI_API_KEY": "sk-2", "CH_PASSWORD": "pw"}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch):
    for name in ("WEIGHBRIDGE_CONFIG", "WEIGHBRIDGE_OPERATOR_TOKEN", "WEIGHBRIDGE_UPSTREAM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    # As the bare install says it, whatever is installed here.
    monkeypatch.setattr(models, "find_spec", lambda _: None)


@pytest.mark.parametrize("case", CASES)
def test_what_check_says_is_what_the_golden_file_says(
    case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The case's folder holds the files; expected.txt what is said of them: exit code, problems, then notices."""
    monkeypatch.chdir(GOLDEN / case)
    code = main(["check"])
    said = capsys.readouterr()
    text = DIGEST.sub("<digest>", f"exit {code}\n{said.out}{said.err}")
    assert text == (GOLDEN / case / "expected.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES)
def test_json_says_the_same(case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(GOLDEN / case)
    code = main(["check", "--json"])
    document = orjson.loads(capsys.readouterr().out)
    expected = (GOLDEN / case / "expected.txt").read_text(encoding="utf-8")
    assert document["ok"] is (code == 0)
    assert all(f"weighbridge: note: {notice}\n" in expected for notice in document["notices"])
    for problem in document["problems"]:
        place = f"{problem['file']}:{problem['line']}" if problem["line"] else problem["file"]
        assert f"{place}: {problem['message']}\n" in expected
    assert len(document["problems"]) + len(document["notices"]) + (2 if code == 0 else 1) == expected.count("\n")


def test_a_file_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.yaml").write_text("version: 1\nworkerz: 2\n")
    assert main(["check", "-c", "other.yaml"]) == 1
    assert capsys.readouterr().out == "other.yaml:2: workerz: unknown key; did you mean 'workers'?\n"


def test_names_from_a_file_drive_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weighbridge.yaml").write_text('version: 1\n"\\e[31mred": 1\n')
    assert main(["check"]) == 1
    assert capsys.readouterr().out == "weighbridge.yaml:2: \\x1b[31mred: unknown key\n"


def test_without_a_file_the_defaults_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert main(["check"]) == 0
    assert capsys.readouterr().out.startswith("ok: configuration ")


def test_no_golden_file_shows_a_secret():
    for case in CASES:
        text = (GOLDEN / case / "expected.txt").read_text(encoding="utf-8")
        assert not [secret for secret in ("letmein", "sk-proj-written-here", *ENVIRON.values()) if secret in text]


def test_a_price_that_leaps_is_refused_until_it_is_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEIGHBRIDGE_HOME", str(tmp_path / "home"))
    (tmp_path / "weighbridge.yaml").write_text("version: 1\nprices: {overrides: prices.yaml}\n")
    prices = tmp_path / "prices.yaml"
    prices.write_text("- {provider: p, model: m, input: 60}\n")
    (tmp_path / "home").mkdir()
    accept_prices(tmp_path / "home", (PriceRow(provider="p", model="m", input_usd_mtok=0.6),))
    assert main(["check"]) == 1
    assert "prices.yaml:1: " in (said := capsys.readouterr().out)
    assert "input goes from 0.6 to 60" in said
    assert main(["check", "--confirm-prices"]) == 0
    assert main(["check"]) == 0
    prices.write_text("- {provider: p, model: m, input: 61}\n")
    assert main(["check"]) == 1
