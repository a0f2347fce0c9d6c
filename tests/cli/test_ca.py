from __future__ import annotations

import stat
from pathlib import Path

import orjson
import pytest

from gateway.cli.main import main
from gateway.clients.certificates import Authority


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WEIGHBRIDGE_HOME", str(tmp_path / "data"))
    return tmp_path / "data"


def test_an_authority_is_made_and_its_key_is_ours_alone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ca", "init", "--json", "--name", "Test"]) == 0
    told = orjson.loads(capsys.readouterr().out)
    certificate, key = home / "ca" / "ca.pem", home / "ca" / "ca.key"
    assert (told["certificate"], told["key"], told["name"]) == (str(certificate), str(key), "Test")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert Authority(certificate.read_bytes(), key.read_bytes()).until.date().isoformat() == told["until"]
    assert sorted(path.name for path in certificate.parent.iterdir()) == ["ca.key", "ca.pem"]
    assert "PRIVATE" not in certificate.read_text()


def test_one_that_is_there_stays_unless_it_is_to_go(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ca", "init"]) == 0
    assert "SSL_CERT_FILE" in capsys.readouterr().out
    first = (home / "ca" / "ca.key").read_bytes()
    assert main(["ca", "init"]) == 1
    assert "--force" in capsys.readouterr().err
    assert (home / "ca" / "ca.key").read_bytes() == first
    assert main(["ca", "init", "--force"]) == 0
    assert (home / "ca" / "ca.key").read_bytes() != first


def test_what_cannot_be_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ca", "init", "--name", "x" * 65]) == 2
    home.write_text("no folder")
    assert main(["ca", "init"]) == 1
    assert "weighbridge: " in capsys.readouterr().err
