from __future__ import annotations

import os
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.app.shut_in import references_in, secret_names

ROOT = Path(__file__).parents[2]
# Says what others see of a process, and what it sees itself.
PROBE = """
    import ctypes, os, resource, subprocess, sys
    from pathlib import Path
    import orjson
    from gateway.app.shut_in import shut_in

    shut_in([Path(name) for name in sys.argv[1:]])
    inherited = subprocess.run(["env", "-0"], capture_output=True, check=True).stdout
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    else:
        print(orjson.dumps({
            "shown": Path("/proc/self/environ").read_bytes().decode(),
            "inherited": inherited.decode(),
            "known": dict(os.environ),
            "core": resource.getrlimit(resource.RLIMIT_CORE),
            "dumpable": ctypes.CDLL(None).prctl(3, 0, 0, 0, 0),
            "privileges": ctypes.CDLL(None).prctl(39, 0, 0, 0, 0),
        }).decode())
"""
SECRETS = {
    "OPENAI_API_KEY": "sk-first",
    "JUDGE": "second-by-reference",
    "REDIS_URL": "redis://:third@cache:6379/0",
    "AWS_SESSION_TOKEN": "fourth",
}
HARMLESS = {"JUDGE_URL": "https://judge.example.com", "KEYBOARD": "de", "MONKEY": "yes", "AUTHOR": "ann", "EMPTY": ""}


def test_nobody_sees_the_secrets_that_a_process_was_started_with(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("detectors: {own: {use: webhook, headers: {x-key: env:JUDGE}}}\n")
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PWD": "/", **SECRETS, **HARMLESS}
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROBE), str(policy), str(tmp_path / "gone")],
        env=environ, capture_output=True, check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)),
    )  # fmt: skip
    said = orjson.loads(ran.stdout)
    for secret in SECRETS.values():
        assert secret not in said["shown"]
        assert secret not in said["inherited"]
    for name, value in HARMLESS.items():
        assert f"{name}={value}\0" in said["shown"]
        assert f"{name}={value}\0" in said["inherited"]
    assert environ.items() <= said["known"].items()
    assert (said["core"], said["dumpable"], said["privileges"]) == ([0, 0], 0, 1)


@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_API_KEY", "AZURE_CLIENT_SECRET", "WEIGHBRIDGE_OPERATOR_TOKEN", "DB_PASSWORD", "MYSQL_PWD", "PASS",
        "SENTRY_DSN", "GOOGLE_CREDENTIALS", "my_token", "APIKEY", "BASIC_AUTH", "PGPASSWORD", "SIGNING_KEYS",
    ],
)  # fmt: skip
def test_names_that_tell_of_a_secret(name: str) -> None:
    assert secret_names({name: "x"}) == {name}


@pytest.mark.parametrize("name", ["PWD", "OLDPWD", "PATH", "HOME", "MONKEY", "TOKENIZERS_PARALLELISM", "LANG"])
def test_names_that_do_not(name: str) -> None:
    assert secret_names({name: "https://example.com/a@b:c"}) == frozenset()


def test_references_are_found_wherever_they_stand(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("traces: clickhouse://ann:env:PASS_ONE@h:8123/t\nkey: 'env:TWO'  # env:THREE\n")
    (tmp_path / "b.yaml").write_bytes(b"\xff env:FOUR")
    assert references_in([tmp_path / "a.yaml", tmp_path / "b.yaml", tmp_path]) == {"PASS_ONE", "TWO", "THREE", "FOUR"}


@given(st.dictionaries(st.from_regex(r"[A-Z_]{1,12}", fullmatch=True), st.text(max_size=20), max_size=6))
def test_what_is_referred_to_is_always_among_them(environ: dict[str, str]) -> None:
    assert secret_names(environ, frozenset(environ)) == frozenset(environ)
