from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import cast

import orjson
import pytest

from gateway.app import operating
from gateway.app.operating import operator_address, operator_child
from gateway.clients.key_file import KeyFile
from gateway.config.environment import Options
from gateway.config.load import load_settings
from gateway.config.settings import Operator, Settings
from gateway.operator.auth import Caller, Gate
from gateway.operator.roles import Visitor


def loaded(tmp_path: Path, text: str, **environ: str) -> tuple[Settings, Operator]:
    (tmp_path / "weighbridge.yaml").write_text(text)
    settings = load_settings(Options(), environ, tmp_path).settings
    assert settings is not None
    assert settings.operator is not None
    return settings, settings.operator


def test_a_fixed_address_is_where_it_is(tmp_path: Path) -> None:
    address = operator_address(*loaded(tmp_path, 'version: 1\noperator: {address: "127.0.0.1:8999"}\n'))
    assert str(address) == "127.0.0.1:8999"


def test_a_port_that_the_system_chose_is_what_the_operator_has_left_word_of(tmp_path: Path) -> None:
    settings, operator = loaded(tmp_path, 'version: 1\noperator: {address: "127.0.0.1:0"}\n')
    run = settings.home / "run"
    run.mkdir(parents=True)
    (run / "operator.json").write_bytes(orjson.dumps({"port": 4711}))
    assert str(operator_address(settings, operator)) == "127.0.0.1:4711"


@pytest.mark.parametrize(
    ("stores", "url"),
    [
        ("'chdb://traces'", "chdb://"),
        ("'clickhouse://user:env:CH@host:8123/db'", "clickhouse://user:a%2Fb@host:8123/db"),
        ("'clickhouse://user@host:8123/db'", "clickhouse://user@host:8123/db"),
        ("'clickhouse://u@h:8123/db', cluster: prod", "clickhouse://u@h:8123/db?cluster=prod"),
        (
            "'clickhouse://u@h:8123/db', cluster: prod, async_inserts: true",
            "clickhouse://u@h:8123/db?cluster=prod&async_inserts=1",
        ),
    ],
)
def test_the_operator_is_told_where_traces_go(tmp_path: Path, stores: str, url: str) -> None:
    settings, operator = loaded(tmp_path, f"version: 1\nstores: {{traces: {stores}}}\n", CH="a/b")
    child = operator_child(settings, operator, partial(load_settings, Options(), {}, tmp_path))
    assert child.name == "operator"
    options = cast("partial[int]", child.run).args[0]
    assert options.traces_url.startswith(url)
    assert "a%2Fb" not in repr(options)
    assert isinstance(options.key_store(), KeyFile)
    assert options.declared() == ()
    assert options.limits() == ()
    assert (settings.home / "run").is_dir()


def test_the_operator_is_told_who_may_do_what(tmp_path: Path) -> None:
    text = (
        "version: 1\noperator: {tokens: [{name: ann, token: 'env:A', roles: [viewer]}], "
        "oidc: {issuer: 'https://login.example.com', audience: console}}\n"
    )
    settings, operator = loaded(tmp_path, text, A="a-token")
    child = operator_child(settings, operator, partial(load_settings, Options(), {"A": "a-token"}, tmp_path))
    options = cast("partial[int]", child.run).args[0]
    visitor = Gate(options.token, options.holders).admit(Caller(path="/", peer="", authorization="Bearer a-token"))
    assert visitor == Visitor(name="ann", roles=frozenset({"viewer"}))
    assert options.visitors is not None
    assert "a-token" not in repr(options)


@pytest.mark.parametrize(("stores", "small"), [("chdb://traces", False), ("clickhouse://user@host:8123/db", True)])
def test_an_operator_whose_store_is_elsewhere_keeps_its_memory_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stores: str, small: bool
) -> None:
    done: list[str] = []

    async def run(*_args: object, **_options: object) -> None:
        done.append("run")

    monkeypatch.setattr(operating, "run_operator", run)
    monkeypatch.setattr(operating, "_keep_small", lambda: done.append("small"))
    settings, operator = loaded(tmp_path, f"version: 1\nstores: {{traces: '{stores}'}}\n")
    child = operator_child(settings, operator, partial(load_settings, Options(), {}, tmp_path))
    assert child.run(-1, -1) == 0
    assert done == (["small", "run"] if small else ["run"])
