"""Which way leads to the keys: the operator that runs, or the home when none does; and never both."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.cli.key_doors import AtHome, AtOperator, Door, NotChecked, left_address, through
from gateway.cli.operator_client import Unreachable
from loadtests.ports import free_port
from tests.support.operator_plane import OperatorPlane


def kind(door: Door) -> type[Any]:
    door.list()
    return type(door)


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WEIGHBRIDGE_OPERATOR", raising=False)
    monkeypatch.setenv("WEIGHBRIDGE_HOME", str(tmp_path / "home"))


def leave_word(tmp_path: Path, host: str, port: int) -> None:
    run = tmp_path / "home" / "run"
    run.mkdir(parents=True)
    (run / "operator.json").write_bytes(orjson.dumps({"pid": 1, "host": host, "port": port}))


def test_the_operator_of_the_home_is_asked(tmp_path: Path, plane: OperatorPlane) -> None:
    leave_word(tmp_path, "127.0.0.1", int(plane.address.rpartition(":")[2]))
    assert through(None, None, kind) is AtOperator


def test_when_it_has_gone_the_work_is_done_at_home(tmp_path: Path) -> None:
    leave_word(tmp_path, "127.0.0.1", free_port())
    assert through(None, None, kind) is AtHome


def test_an_operator_that_is_named_and_is_not_there_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unreachable):
        through(f"127.0.0.1:{free_port()}", None, kind)
    monkeypatch.setenv("WEIGHBRIDGE_OPERATOR", f"127.0.0.1:{free_port()}")
    assert through(None, None, kind) is AtHome


def test_one_that_listens_and_does_not_answer_may_have_done_it(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        leave_word(tmp_path, "127.0.0.1", silent.getsockname()[1])

        def hang_up(door: Door) -> None:
            assert isinstance(door, AtOperator)
            raise Unreachable("there", "its answer broke off")

        with pytest.raises(Unreachable):
            through(None, None, hang_up)


@pytest.mark.parametrize(
    ("host", "address"), [("127.0.0.1", "127.0.0.1:7"), ("0.0.0.0", "127.0.0.1:7"), ("::1", "[::1]:7"), ("x/y", "")]
)
def test_an_operator_is_where_it_has_said(tmp_path: Path, host: str, address: str) -> None:
    assert left_address() == ""
    leave_word(tmp_path, host, 7)
    assert left_address() == address


def test_a_configuration_that_does_not_check_says_where_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "weighbridge.yaml").write_text("version: 2\n")
    with pytest.raises(NotChecked) as caught:
        AtHome(None)
    assert "weighbridge.yaml:1" in caught.value.problems[0]
