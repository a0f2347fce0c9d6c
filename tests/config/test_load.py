from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gateway.config.environment import Options
from gateway.config.load import load_settings
from gateway.config.settings import ChdbStore, ModelEntry
from tests.support.settings import good, load, wrong


def test_without_anything_there_is_sim(tmp_path: Path):
    result = load(tmp_path)
    settings = good(result)
    assert list(settings.providers) == ["sim"]
    assert settings.models == (ModelEntry(alias="sim/*", provider="sim", model="{model}"),)
    assert (settings.file, settings.transparent, settings.modes) == (None, False, ())
    assert settings.traces == ChdbStore(path=tmp_path / ".weighbridge/traces")
    assert settings.spool.dir == tmp_path / ".weighbridge/spool"
    assert [name for name, _ in settings.policies.files] == ["shipped/baseline.yaml"]
    assert settings.policies.files[0][1].is_file()
    assert result.notices == ()


def test_without_a_file_providers_come_from_the_environment_and_the_first_takes_every_name(tmp_path: Path):
    settings = good(load(tmp_path, MISTRAL_API_KEY="m", GROQ_API_KEY="g"))
    assert list(settings.providers) == ["mistral", "groq", "sim"]
    assert [(entry.alias, entry.provider) for entry in settings.models] == [("sim/*", "sim"), ("*", "mistral")]


def test_an_upstream_takes_everything_with_the_clients_own_credential(tmp_path: Path):
    settings = good(load(tmp_path, options=Options(upstream="https://api.example.com/v1/"), OPENAI_API_KEY="o"))
    assert settings.transparent
    assert list(settings.providers) == ["upstream"]
    entry = settings.providers["upstream"]
    assert (entry.kind, entry.base_url, entry.api_key, entry.passes_credential) == (
        "openai",
        "https://api.example.com/v1",
        None,
        True,
    )
    assert settings.models == (ModelEntry(alias="*", provider="upstream", model="{model}"),)


def test_an_upstream_by_variable_keeps_the_rest_of_the_file_and_says_so(tmp_path: Path):
    text = "version: 1\nworkers: 3\nproviders: {a: {kind: openai}}\n"
    result = load(tmp_path, text, WEIGHBRIDGE_UPSTREAM="http://h/v1")
    settings = good(result)
    assert (settings.workers, list(settings.providers)) == (3, ["upstream"])
    assert result.notices == ("WEIGHBRIDGE_UPSTREAM is given: providers and models of weighbridge.yaml are not used",)


def test_flags_go_before_environment_before_file(tmp_path: Path):
    text = "version: 1\nlisten: {address: '127.0.0.1:1'}\noperator: {address: '127.0.0.1:1'}\nworkers: 1\n"
    assert good(load(tmp_path, text)).listen.address.port == 1
    environ = {
        "WEIGHBRIDGE_LISTEN": "127.0.0.1:2",
        "WEIGHBRIDGE_OPERATOR": "127.0.0.1:2",
        "WEIGHBRIDGE_WORKERS": "2",
    }
    settings = good(load(tmp_path, "", None, **environ))
    assert settings.operator
    assert (settings.listen.address.port, settings.operator.address.port, settings.workers) == (2, 2, 2)
    settings = good(load(tmp_path, "", Options(listen="[::1]:3", operator="127.0.0.1:3", workers="3"), **environ))
    assert settings.operator
    assert (settings.listen.address.host, settings.operator.address.port, settings.workers) == ("::1", 3, 3)


def test_what_is_wrong_outside_the_file_is_said_under_its_name(tmp_path: Path):
    options = Options(listen="nowhere", workers="many", operator="0.0.0.0:1")
    assert wrong(load(tmp_path, options=options, WEIGHBRIDGE_UPSTREAM="ftp://x")) == [
        "--listen: should be host:port, such as 127.0.0.1:8080 or [::1]:8080",
        "--operator: 0.0.0.0:1 is no loopback address: set operator.token or WEIGHBRIDGE_OPERATOR_TOKEN",
        "--workers: should be a number from 1 to 256",
        "WEIGHBRIDGE_UPSTREAM: should be a base URL such as https://api.example.com/v1",
    ]


@pytest.mark.parametrize("text", ["a: [", "- 1", "\x00"])
def test_a_file_that_is_no_configuration_is_one_problem(tmp_path: Path, text: str):
    assert len(wrong(load(tmp_path, text))) == 1


def test_a_named_file_that_is_not_there_is_a_problem(tmp_path: Path):
    assert wrong(load(tmp_path, options=Options(config="gone.yaml"))) == [
        "gone.yaml: cannot be read: No such file or directory"
    ]


def test_no_problem_shows_a_secret(tmp_path: Path):
    text = """\
    version: 1
    operator: {token: hunter22}
    stores: {traces: "clickhouse://u:hunter22@h/d"}
    providers: {p: {kind: openai, api_key: hunter22, base_url: "http://u:hunter22@h"}}
    identity: {mode: keys, keys: [{id: a, key: hunter22}]}
    listen: hunter22
    workers: hunter22
    """
    result = load(tmp_path, text)
    assert len(result.problems) == 7
    assert "hunter22" not in repr(result)


WORDS = st.sampled_from(
    [
        "version: 1",
        "providers:",
        "models:",
        "  - alias: a",
        "  a: {kind: openai}",
        "limits: [",
        "]",
        "x: *a",
        "&a",
        "- 1",
        "identity: {mode: keys",
        "}",
        "policies: {bundle: [a, b]}",
        "prices: {overrides: x}",
        "listen: {address: 1}",
        ": :",
    ]
)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.text(max_size=80), st.lists(WORDS, max_size=8).map("\n".join)))
def test_no_file_raises(tmp_path: Path, text: str):
    (tmp_path / "weighbridge.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    result = load_settings(Options(), {}, tmp_path)
    assert (result.settings is None) == bool(result.problems)


def test_loading_pulls_in_no_server_and_no_driver():
    script = "import sys, gateway.config.load; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ["aiohttp", "asyncio", "hyperscan", "redis", "clickhouse_connect", "genai_prices", "tiktoken", "numpy"]
    done = subprocess.run(
        [sys.executable, "-c", script, *heavy],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path.cwd(),
        env=os.environ,
    )
    assert done.stdout.strip() == "[]"
