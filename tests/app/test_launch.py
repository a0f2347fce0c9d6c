from __future__ import annotations

import socket
import textwrap
from functools import partial
from pathlib import Path

import pytest

from gateway.app.launch import Launch, LaunchFault
from gateway.config.environment import Options
from gateway.config.load import load_settings


def launch(cwd: Path, text: str = "version: 1\n", *, listen: str = "127.0.0.1:0", **options) -> Launch:
    """Everything up to the point where processes would be started."""
    (cwd / "weighbridge.yaml").write_text(textwrap.dedent(text))
    return Launch(partial(load_settings, Options(listen=listen, **options), {}, cwd))


def refused(cwd: Path, text: str = "version: 1\n", **options) -> list[str]:
    with pytest.raises(LaunchFault) as caught:
        launch(cwd, text, **options)
    return caught.value.problems


def close(launched: Launch) -> None:
    for each in launched._sockets:
        each.close()


def test_problems_of_configuration_and_policies_come_together(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.yaml").write_text("kind: Policy\n")
    problems = refused(tmp_path, "version: 1\nworkers: 2\ncolour: blue\n")
    assert any("colour" in problem for problem in problems)
    problems = refused(
        tmp_path,
        "version: 1\npolicies: {dir: rules, bundle: [a.yaml]}\nproviders: {a: {kind: openai, api_key: env:NONE}}\n",
    )
    assert any(problem.startswith("weighbridge.yaml:3") for problem in problems)
    assert any("rules/a.yaml:1: apiVersion: required" in problem for problem in problems)


def test_an_address_that_is_taken_is_a_problem(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert refused(tmp_path, listen=address) == [f"cannot listen on {address}: Address already in use"]
    assert not (tmp_path / ".weighbridge").exists()


def test_the_greeting_is_the_base_url_the_operator_and_a_command(tmp_path: Path) -> None:
    launched = launch(tmp_path, operator="127.0.0.1:8999")
    port = launched._sockets[0].getsockname()[1]
    base, operator, curl = launched.greeting().splitlines()
    assert (base, operator) == (f"http://127.0.0.1:{port}/v1", "http://127.0.0.1:8999")
    assert curl.startswith(f"curl {base}/chat/completions ")
    assert '"model":"sim/echo"' in curl
    close(launched)


def test_the_greeting_in_transparent_mode_uses_the_callers_own_key(tmp_path: Path) -> None:
    launched = launch(tmp_path, upstream="https://models.example/v1", no_operator=True)
    lines = launched.greeting().splitlines()
    assert len(lines) == 2
    assert "Bearer $OPENAI_API_KEY" in lines[1]
    close(launched)


def test_each_worker_has_a_socket_of_its_own(tmp_path: Path) -> None:
    launched = launch(tmp_path, workers="3", no_operator=True)
    assert [child.name for child in launched._workers] == ["worker 0", "worker 1", "worker 2"]
    assert len({id(child.sockets[0]) for child in launched._workers}) == 3
    close(launched)


def test_the_folder_for_counts_is_private(tmp_path: Path) -> None:
    close(launch(tmp_path, operator="127.0.0.1:0"))
    assert (tmp_path / ".weighbridge" / "run").stat().st_mode & 0o777 == 0o700


def test_the_address_for_grpc_is_held_and_one_that_is_taken_is_a_problem(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = refused(tmp_path, f"version: 1\nlisten: {{grpc: '127.0.0.1:{port}'}}\n")
    assert told == [f"cannot listen on 127.0.0.1:{port}: Address already in use"]
