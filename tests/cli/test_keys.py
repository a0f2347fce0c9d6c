"""``weighbridge keys`` on a home without an operator."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from gateway.cli.main import main

CONFIG = """
version: 1
operator: {address: "127.0.0.1:1"}
identity: {mode: keys, keys: [{id: ci, key: env:CI_KEY, team: build}]}
"""


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEIGHBRIDGE_HOME", str(tmp_path / "home"))
    # Nobody listens there.
    monkeypatch.setenv("WEIGHBRIDGE_OPERATOR", "127.0.0.1:1")
    monkeypatch.setenv("CI_KEY", "wb-" + "c" * 40)
    (tmp_path / "weighbridge.yaml").write_text(CONFIG)


def ran(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(["keys", *words]) == code
    said = capsys.readouterr()
    return said.out if code == 0 else said.err


def test_a_key_from_its_first_day_to_its_last(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--team", "support", "--tag", "env=prod", "--model", "gpt-*", "--budget", "5usd/month", "--expires", "30d"]
    made = orjson.loads(
        ran(capsys, "create", *words, "--endpoint", "chat", "--no-tags", "--policy", "strict", "--json")
    )
    assert made["key"].startswith(f"wb-{made['id']}-")
    assert (made["tags"], made["models"], made["budget"]) == ({"env": "prod"}, ["gpt-*"], "5usd/month")
    assert (made["endpoints"], made["may_tag"], made["policies"]) == (["chat"], [], ["strict"])
    listed = orjson.loads(ran(capsys, "list", "--json"))
    assert [(key["id"], key["declared"], "key" in key) for key in listed] == [
        ("ci", True, False),
        (made["id"], False, False),
    ]
    assert made["id"] in ran(capsys, "list")
    after = orjson.loads(ran(capsys, "update", made["id"], "--clear", "may_tag", "--disable", "--team", "b", "--json"))
    assert (after["may_tag"], after["status"], after["team"]) == (None, "disabled", "b")
    assert orjson.loads(ran(capsys, "update", made["id"], "--enable", "--json"))["status"] == "active"
    told = ran(capsys, "rotate", made["key"], "--overlap", "1h")
    assert f"wb-{made['id']}-" in told
    assert "shown this once" in told
    assert orjson.loads(ran(capsys, "revoke", made["id"], "--json"))["status"] == "revoked"
    assert "revoked" in ran(capsys, "show", made["id"])


def test_what_cannot_be_done_is_said_and_the_code_says_of_which_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert "configuration file" in ran(capsys, "revoke", "ci", code=1)
    assert "No key has this id" in ran(capsys, "show", "nobody", code=1)
    assert "should be like 5usd/month" in ran(capsys, "create", "--team", "a", "--budget", "much", code=1)
    assert "NAME=VALUE" in ran(capsys, "create", "--team", "a", "--tag", "x", code=2)
    assert "cannot be reached" in ran(capsys, "list", "--operator", "127.0.0.1:1", code=3)
    assert "is no address" in ran(capsys, "list", "--operator", "a b", code=2)
    with pytest.raises(SystemExit) as caught:
        main(["keys", "create"])
    assert caught.value.code == 2
    Path("weighbridge.yaml").write_text("version: 2\n")
    assert "weighbridge.yaml:1" in ran(capsys, "list", code=1)
