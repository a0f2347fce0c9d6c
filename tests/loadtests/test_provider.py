"""The provider and the generator speak HTTP, to others and to each other."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loadtests import build
from tests.support.waiting import until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not (shutil.which("cc") or shutil.which("gcc")), reason="no C compiler"),
]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("loadtests")
    return {name: build.compiled(name, folder) for name in ("provider", "generator")}


@pytest.fixture(scope="module")
def port(programs: dict[str, Path]) -> Iterator[int]:
    with subprocess.Popen([programs["provider"], "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline().rpartition(" ")[2])
        process.kill()


def post(body: bytes, *extra: str) -> bytes:
    lines = ["POST /v1/chat/completions HTTP/1.1", "Host: p", f"Content-Length: {len(body)}", *extra]
    return "\r\n".join([*lines, "", ""]).encode() + body


def ask(port: int, *pieces: bytes) -> bytes:
    """Send pieces, close our half when all are sent, and read to the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def split(answer: bytes) -> tuple[bytes, bytes]:
    head, _, rest = answer.partition(b"\r\n\r\n")
    return head, rest


def unchunked(rest: bytes) -> bytes:
    joined = b""
    while True:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        joined, rest = joined + rest[:length], rest[length + 2 :]
        if length == 0:
            assert rest == b""
            return joined


def events(answer: bytes) -> list[Any]:
    lines = unchunked(split(answer)[1]).decode().split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]


def test_a_whole_answer_has_its_length_and_reports_usage(port: int) -> None:
    head, body = split(ask(port, post(b'{"messages":[]}', "Connection: close")))
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert f"Content-Length: {len(body)}".encode() in head
    answer = json.loads(body)
    assert answer["object"] == "chat.completion"
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] + answer["usage"]["completion_tokens"]


def test_a_request_cut_anywhere_is_understood(port: int) -> None:
    request = post(b'{"stream": true, "m": "@n=2,d=0@"}', "Connection: close")
    whole = ask(port, request)
    for cut in range(1, len(request), 7):
        assert len(ask(port, request[:cut], request[cut:])) == len(whole)


def test_a_chunked_request_is_understood(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: p\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    answer = ask(port, head, b'7\r\n{"strea\r\n8;x=y\r\nm":true}\r\n', b"0\r\n\r\n")
    assert len(events(answer)) == 102


def test_pipelined_requests_are_answered_in_order(port: int) -> None:
    get = b"GET /v1/models HTTP/1.1\r\nHost: p\r\n\r\n"
    answer = ask(port, get + post(b'{"stream":true,"m":"@n=1,d=2000@"}') + post(b"{}", "Connection: close"))
    assert [answer.find(mark) for mark in (b'"object":"list"', b"[DONE]", b'"chat.completion"')] == sorted(
        answer.find(mark) for mark in (b'"object":"list"', b"[DONE]", b'"chat.completion"')
    )
    assert answer.count(b"HTTP/1.1 200 OK") == 3


def test_a_stream_has_the_chunks_that_were_asked_for(port: int) -> None:
    answer = events(ask(port, post(b'{"stream":true,"m":"@n=5,d=100@"}', "Connection: close")))
    deltas = [event["choices"][0]["delta"] for event in answer]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert [delta["content"].startswith(" token @T") for delta in deltas[1:-1]] == [True] * 5
    assert deltas[-1] == {}
    assert answer[-1]["choices"][0]["finish_reason"] == "stop"


def test_a_stream_reports_usage_when_asked_to(port: int) -> None:
    request = b'{"stream":true,"stream_options":{"include_usage":true},"m":"@n=5,d=100@"}'
    answer = events(ask(port, post(request, "Connection: close")))
    assert answer[-1]["choices"] == []
    assert answer[-1]["usage"] == {"prompt_tokens": 60, "completion_tokens": 5, "total_tokens": 65}


def test_chunks_keep_their_schedule_and_say_when_they_were_sent(port: int) -> None:
    answer = events(ask(port, post(b'{"stream":true,"m":"@w=3000@ @n=20,d=2000@"}', "Connection: close")))
    texts = [event["choices"][0]["delta"].get("content", "") for event in answer]
    sent = [
        int(text.partition("@T")[2][:16].translate(str.maketrans("abcdefghijklmnop", "0123456789abcdef")), 16)
        for text in texts
        if "@T" in text
    ]
    assert len(sent) == 20
    assert sent == sorted(sent)
    # The schedule is fixed: a late chunk does not move those after it, so the mean holds on a busy machine too.
    assert 30e6 < sent[-1] - sent[0] < 500e6


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"DELETE / HTTP/1.1\r\nHost: p\r\n\r\n", b"405"),
        (b"POST / HTTP/1.1\r\nHost: p\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 70000, b"431"),
    ],
)
def test_what_it_does_not_serve_is_refused_and_the_connection_closed(
    port: int, request_bytes: bytes, status: bytes
) -> None:
    assert ask(port, request_bytes).startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["-c", "4"], id="closed loop"),
        pytest.param(["-c", "4", "-r", "200"], id="open loop"),
        pytest.param(["-c", "4", "-g"], id="cold connections"),
        pytest.param(["-c", "4", "-s", "-n", "5", "-d", "1000"], id="paced streams"),
        pytest.param(["-c", "4", "-s", "-n", "5"], id="burst"),
    ],
)
def test_the_generator_counts_whole_answers(programs: dict[str, Path], port: int, options: list[str]) -> None:
    command = [programs["generator"], *options, "-t", "0.3", "-W", "0.1", str(port)]

    def run() -> dict[str, Any] | None:
        figures = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)
        return figures if figures["ok"] > 5 else None

    # So short a run may pass without a turn on a busy machine.
    figures = until(run)
    assert [figures[name] for name in ("bad", "broken", "incomplete")] == [0, 0, 0]
    assert figures["latency_us"]["n"] == figures["ok"]
    assert 0 < figures["latency_us"]["p50"] <= figures["latency_us"]["p99"] <= figures["latency_us"]["max"]
    if "-s" in options:
        assert figures["relay_us"]["n"] > 25
        assert figures["ttft_us"]["p50"] <= figures["latency_us"]["p50"]


def test_the_generator_tells_wrong_answers_from_right_ones(programs: dict[str, Path]) -> None:
    """Against a server that refuses everything nothing counts as served well, and the first answer is quoted."""
    refusal = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy"
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = [programs["generator"], "-c", "1", "-t", "0.3", "-W", "0", str(server.getsockname()[1])]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            server.settimeout(0.5)
            while process.poll() is None:
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.settimeout(0.5)
                    if connection.recv(65536):
                        connection.sendall(refusal)
            figures = json.loads(process.communicate()[0])
    assert figures["ok"] == 0
    assert figures["bad"] > 0
    assert figures["complaint"].startswith("HTTP/1.1 503")
