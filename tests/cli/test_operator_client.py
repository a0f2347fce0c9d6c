from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from gateway.cli.operator_client import BadAddress, OperatorClient, Refused, Unreachable, asking
from tests.support.operator_plane import OperatorPlane


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that gives one connection these bytes, whatever it asks, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join()


@contextmanager
def nobody() -> Iterator[str]:
    """An address where nobody listens, and nobody else can while we look."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


def test_documents_come_and_go(plane: OperatorPlane) -> None:
    for address in (plane.address, f"http://{plane.address}", f"http://{plane.address}/"):
        client = OperatorClient(address)
        assert client.get("/healthz") == {"status": "ok"}
        assert client.post("/api/sql", {"query": "SELECT 1 AS one"})["rows"] == [{"one": 1}]
        assert client.get("/api/sql", {"query": "SELECT 'a&b #' AS text", "nothing": None})["rows"] == [
            {"text": "a&b #"}
        ]


def test_a_refusal_carries_the_operators_words(plane: OperatorPlane) -> None:
    with pytest.raises(Refused) as caught:
        OperatorClient(plane.address).get("/api/keys/nobody")
    assert (caught.value.status, caught.value.code) == (404, "key_not_found")
    assert str(caught.value) == "No key has this id."


@pytest.mark.parametrize(
    "address", ["", "ftp://host:1", "host:port", "http://", "http://host/path", "host:99999", "http://a:b@host", "[::1"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(BadAddress):
        OperatorClient(address)


@pytest.mark.parametrize("address", ["localhost", "localhost:8081", "[::1]:8081", "https://operator.example"])
def test_addresses_may_leave_out_what_is_usual(address: str) -> None:
    assert OperatorClient(address).address == address


def test_nobody_there_names_the_address() -> None:
    with nobody() as address, pytest.raises(Unreachable) as caught:
        OperatorClient(address).get("/healthz")
    assert address in str(caught.value)
    assert "refused" in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"a":1}',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":',
    ],
)
def test_what_is_no_whole_answer_of_an_operator_is_not_taken_for_one(answer: bytes) -> None:
    with answering(answer) as address, pytest.raises(Unreachable):
        OperatorClient(address).get("/healthz")


def test_an_error_without_a_document_still_says_its_status() -> None:
    with answering(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\noops") as address:
        with pytest.raises(Refused, match="502 Bad Gateway") as caught:
            OperatorClient(address).get("/healthz")
        assert caught.value.code == ""


def test_silence_ends_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = OperatorClient(f"127.0.0.1:{server.getsockname()[1]}", timeout_s=0.05)
        with pytest.raises(Unreachable, match="no answer in time"):
            client.get("/healthz")


def test_pieces_and_lines_are_whole_or_raise() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    whole = head + b"4\r\na\nb\r\r\n1\r\n\n\r\n0\r\n\r\n"
    with answering(whole) as address, OperatorClient(address).open("GET", "/x") as answer:
        assert list(answer.lines()) == [b"a", b"b"]
    broken = head + b"4\r\na\nb\n\r\n5\r\nhal"
    with answering(broken) as address, OperatorClient(address).open("GET", "/x") as answer, pytest.raises(Unreachable):
        list(answer.pieces())
    with answering(broken) as address, OperatorClient(address).open("GET", "/x") as answer, pytest.raises(Unreachable):
        list(answer.lines())


def test_a_failure_of_the_caller_is_not_blamed_on_the_operator(plane: OperatorPlane) -> None:
    with pytest.raises(PermissionError), OperatorClient(plane.address).open("GET", "/healthz"):
        raise PermissionError("a file of ours")


@pytest.mark.parametrize(
    ("failure", "code"), [(Unreachable("a:1", "gone"), 3), (Refused(400, "x", "no"), 1), (BadAddress("no"), 2)]
)
def test_failures_become_exit_codes(
    failure: Exception, code: int, capsys: pytest.CaptureFixture[str], clean_environment: Callable[..., None]
) -> None:
    clean_environment()

    def command(args: argparse.Namespace, operator: OperatorClient) -> int:
        raise failure

    assert asking(command)(argparse.Namespace(operator=None)) == code
    assert str(failure) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "env", "address"),
    [
        (None, {}, "127.0.0.1:8081"),
        (None, {"WEIGHBRIDGE_OPERATOR": "b:2"}, "b:2"),
        ("a:1", {"WEIGHBRIDGE_OPERATOR": "b:2"}, "a:1"),
    ],
)
def test_the_flag_goes_before_the_environment(
    flag: str | None, env: dict[str, str], address: str, clean_environment: Callable[..., None]
) -> None:
    clean_environment(**env)
    asked: list[str] = []

    def command(args: argparse.Namespace, operator: OperatorClient) -> int:
        asked.append(operator.address)
        return 0

    assert asking(command)(argparse.Namespace(operator=flag)) == 0
    assert asked == [address]


@pytest.fixture
def clean_environment() -> Iterator[Callable[..., None]]:
    """Set the environment's settings of ours for the length of a test."""
    before = dict(os.environ)

    def setting(**values: str) -> None:
        for name in [name for name in os.environ if name.startswith("WEIGHBRIDGE_")]:
            del os.environ[name]
        os.environ.update(values)

    yield setting
    os.environ.clear()
    os.environ.update(before)


def test_commands_load_no_server_and_no_engine() -> None:
    script = "import sys, gateway.cli.traces, gateway.cli.spend; print(*sorted(sys.modules))"
    loaded = set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout.decode().split()
    )
    assert not loaded & {"aiohttp", "asyncio", "chdb", "clickhouse_connect", "msgspec", "pydantic", "uvloop", "yaml"}
