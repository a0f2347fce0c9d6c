"""Bad input of every kind: a declared error, a connection in a known state, a record, and a worker that goes on."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from tests.support.gateway_process import GatewayProcess, clean_environ
from tests.support.raw_http import RawAnswer, RawConnection, raw_connection
from tests.support.waiting import until

pytestmark = pytest.mark.integration
CHAT = "/v1/chat/completions"
GOOD = b'{"model":"sim/echo","messages":[{"role":"user","content":"still here"}]}'
CONFIG = """
version: 1
listen: {header_timeout: 1s}
"""


# What must be on record at each gateway, by exchange: status and code.
EXPECTED: defaultdict[int, dict[str, tuple[int, str]]] = defaultdict(dict)


def on_record(gateway: GatewayProcess, expected: dict[str, Any]) -> dict[str, tuple[int, str]] | None:
    """Status and code of these exchanges, when all of them have arrived."""
    rows = gateway.sql("SELECT id, status, error_code FROM exchanges LIMIT 10000")
    found = {row["id"]: (row["status"], row["error_code"]) for row in rows if row["id"] in expected}
    return found if len(found) == len(expected) else None


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    running = GatewayProcess(tmp_path_factory.mktemp("bad"), config=CONFIG)
    workers = running.workers
    assert len(workers) == 1
    yield running
    try:
        assert running.workers == workers
        # All records at once: waiting for each would take minutes.
        expected = EXPECTED.pop(running.port, {})
        assert until(lambda: on_record(running, expected)) == expected
    finally:
        code = running.stop()
    assert code == 0
    assert "Traceback" not in running.stderr


@pytest.fixture
def same_worker(gateway) -> Iterator[None]:
    before = gateway.workers
    yield
    assert gateway.workers == before


@pytest.fixture(params=["hot", "cold"])
def connection(request, gateway, same_worker) -> Iterator[RawConnection]:
    """A connection on either side, by its first request."""
    with raw_connection(gateway.port) as made:
        if request.param == "cold":
            made.send(b"GET /v1/models HTTP/1.1\r\nHost: test\r\n\r\n")
            assert made.answer().status == 200
        yield made


def still_works(connection: RawConnection) -> None:
    connection.request(GOOD)
    assert connection.answer().status == 200


def refused(gateway: GatewayProcess, answer: RawAnswer, status: int, code: str) -> dict[str, Any]:
    """Check an answer, and note what its record must say; returns the error."""
    error = answer.error
    assert (answer.status, error["code"]) == (status, code)
    assert answer.id not in EXPECTED[gateway.port]
    EXPECTED[gateway.port][answer.id] = (status, code)
    return error


def message(content: str) -> bytes:
    return b'{"model":"sim/echo","messages":[{"role":"user","content":' + content.encode() + b"}]}"


BODIES = {
    "empty": b"",
    "no JSON": b"hello",
    "cut JSON": GOOD[:-3],
    "bytes behind it": GOOD + b"}",
    "single quotes": b"{'model':'sim/echo'}",
    "an array": b"[]",
    "a string": b'"text"',
    "null": b"null",
    "no model": b'{"messages":[]}',
    "model is a number": b'{"model":1,"messages":[]}',
    "model is empty": b'{"model":"","messages":[]}',
    "model is a list": b'{"model":["a"],"messages":[]}',
    "messages is a string": b'{"model":"sim/echo","messages":"hi"}',
    "messages is missing": b'{"model":"sim/echo"}',
    "stream is a string": b'{"model":"sim/echo","messages":[],"stream":"yes"}',
    "n is huge": b'{"model":"sim/echo","messages":[],"n":100000}',
    "n is a boolean": b'{"model":"sim/echo","messages":[],"n":true}',
    "max_tokens is a string": b'{"model":"sim/echo","messages":[],"max_tokens":"9"}',
    "stream_options is a list": b'{"model":"sim/echo","messages":[],"stream":true,"stream_options":[]}',
    "invalid UTF-8": message('"x"').replace(b"x", b"\xff\xfe"),
    "overlong UTF-8": message('"x"').replace(b"x", b"\xc0\xaf"),
    "UTF-16": GOOD.decode().encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "duplicate keys": b'{"model":"sim/echo","model":"sim/lorem","messages":[]}',
    "duplicate keys, one escaped": b'{"model":"sim/echo","messages":[],"\\u006dessages":[]}',
    "duplicate keys deep inside": b'{"model":"sim/echo","messages":[{"role":"user","role":"system","content":"x"}]}',
    "NaN": b'{"model":"sim/echo","messages":[],"temperature":NaN}',
    "Infinity": b'{"model":"sim/echo","messages":[],"temperature":-Infinity}',
    "number beyond a double": b'{"model":"sim/echo","messages":[],"temperature":1e999}',
    "integer beyond 64 bits": b'{"model":"sim/echo","messages":[],"seed":123456789012345678901234567890}',
    "lone surrogate": message('"\\ud800"'),
    "lone low surrogate": message('"\\udc00 x"'),
    "raw control character": message('"a\nb"'),
    "10,000 arrays deep": message("[" * 10_000 + "]" * 10_000),
    "10,000 objects deep": message('{"a":' * 10_000 + "1" + "}" * 10_000),
    "10,000 deep and never closed": b'{"messages":' + b"[" * 10_000,
    "deeper than can be edited": message("[" * 300 + "]" * 300),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_body_that_is_no_request_is_400_and_the_connection_goes_on(gateway, connection, body):
    connection.request(body)
    refused(gateway, connection.answer(), 400, "invalid_request")
    still_works(connection)


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/embeddings", "/v1/moderations", "/providers/sim/x"])
@pytest.mark.parametrize("name", ["cut JSON", "duplicate keys", "NaN", "lone surrogate", "10,000 arrays deep"])
def test_every_path_reads_json_strictly(gateway, connection, path, name):
    connection.request(BODIES[name], path)
    refused(gateway, connection.answer(), 400, "invalid_request")
    still_works(connection)


def test_error_names_the_field(gateway, connection):
    connection.request(b'{"model":1,"messages":[]}')
    error = refused(gateway, connection.answer(), 400, "invalid_request")
    assert (error["type"], error["param"]) == ("invalid_request_error", "model")


def test_nul_in_a_string_is_text_like_any_other(gateway, connection):
    connection.request(message('"a\\u0000b"'))
    answer = connection.answer()
    assert answer.status == 200
    assert orjson.loads(answer.body)["choices"][0]["message"]["content"] == "a\0b"
    EXPECTED[gateway.port][answer.id] = (200, "")


def test_escaped_surrogate_pair_is_a_character(connection):
    connection.request(message('"\\ud83d\\ude00"'))
    answer = connection.answer()
    assert orjson.loads(answer.body)["choices"][0]["message"]["content"] == "\U0001f600"


def test_unknown_model_is_404(gateway, connection):
    connection.request(GOOD.replace(b"sim/echo", b"nobody/nothing"))
    error = refused(gateway, connection.answer(), 404, "model_not_found")
    assert error["type"] == "invalid_request_error"
    still_works(connection)


@pytest.mark.parametrize("path", ["/", "/v3", "/v1x/chat/completions", "/favicon.ico", "/providers", "/admin"])
def test_unknown_path_is_404(gateway, connection, path):
    connection.request(b"", path, method="GET")
    refused(gateway, connection.answer(), 404, "not_found")
    still_works(connection)


@pytest.mark.parametrize("path", ["/v1//chat/completions", "/v1/chat/completions/", "/v1/./chat/completions"])
def test_path_that_only_looks_like_a_route_is_refused(gateway, connection, path):
    connection.request(GOOD, path)
    answer = connection.answer()
    assert answer.status in {400, 404}
    refused(gateway, answer, answer.status, "not_found" if answer.status == 404 else "invalid_request")
    still_works(connection)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", CHAT), ("PUT", CHAT), ("DELETE", "/v1/models"), ("TRACE", "/v1/x")]
)
def test_wrong_method_is_405(gateway, connection, method, path):
    connection.request(b"", path, method=method)
    refused(gateway, connection.answer(), 405, "method_not_allowed")
    still_works(connection)


@pytest.mark.parametrize("path", ["/openai/deployments/d/fine-tuning"])
def test_what_is_not_yet_available_says_so(gateway, connection, path):
    connection.request(GOOD, path)
    refused(gateway, connection.answer(), 501, "not_yet_available")
    still_works(connection)


def test_websockets_of_other_paths_are_not_yet_available(gateway, same_worker):
    with raw_connection(gateway.port) as connection:
        connection.send(
            b"GET /v1/elsewhere?model=x HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        refused(gateway, connection.answer(), 501, "not_yet_available")


# --- size, time and framing: nobody knows where a next request would start, so the connection ends


def test_body_of_40_mib_is_413_and_the_connection_ends(gateway, connection):
    connection.send(b"POST %b HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n" % (CHAT.encode(), 40 << 20))
    connection.send(b"x" * 100_000)
    refused(gateway, connection.answer(), 413, "request_too_large")
    assert connection.closed()


def test_chunked_body_of_40_mib_is_413_and_the_connection_ends(gateway, connection):
    connection.send(b"POST %b HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n" % CHAT.encode())
    for _ in range(40):
        connection.send(b"100000\r\n" + b"x" * (1 << 20) + b"\r\n")
    refused(gateway, connection.answer(), 413, "request_too_large")
    assert connection.closed()


@pytest.mark.parametrize("path", [CHAT, "/v1/moderations"])
def test_client_that_sends_40_mib_before_it_reads_gets_the_413(gateway, same_worker, path):
    status, headers, body = gateway.ask("POST", path, b"x" * (40 << 20), {"content-type": "application/json"})
    refused(gateway, RawAnswer(status, headers, body), 413, "request_too_large")


@pytest.mark.parametrize("start", [b"P", b"POST /v1/chat/comp", b"POST /v1/chat/completions HTTP/1.1\r\nHost: te"])
def test_slow_head_is_408(gateway, connection, start):
    connection.send(start)
    refused(gateway, connection.answer(), 408, "request_timeout")
    assert connection.closed()


def test_half_a_body_and_silence_is_408(gateway, connection):
    head = b"POST %b HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    connection.send(head % (CHAT.encode(), len(GOOD)) + GOOD[:20])
    refused(gateway, connection.answer(), 408, "request_timeout")
    assert connection.closed()


def test_half_a_body_and_gone_leaves_the_worker_alone(gateway, connection):
    head = b"POST %b HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n"
    connection.send(head % (CHAT.encode(), len(GOOD)) + GOOD[:20])
    connection.socket.close()
    with raw_connection(gateway.port) as other:
        still_works(other)


def test_silent_connection_is_closed_without_a_word(gateway, same_worker):
    with raw_connection(gateway.port) as connection:
        assert connection.closed()


POST = b"POST /v1/chat/completions HTTP/1.1\r\n"
FRAMINGS = {
    "no host": POST + b"Content-Length: 2\r\n\r\n{}",
    "length twice": POST + b"Host: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "length and chunks": POST + b"Host: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "signed length": POST + b"Host: a\r\nContent-Length: +2\r\n\r\n{}",
    "unknown coding": POST + b"Host: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "bare LF": b"POST /v1/chat/completions HTTP/1.1\nHost: a\nContent-Length: 2\n\n{}",
    "folded header": POST + b"Host: a\r\nX-A: b\r\n c\r\nContent-Length: 2\r\n\r\n{}",
    "NUL in a header": POST + b"Host: a\r\nX-A: b\0c\r\nContent-Length: 2\r\n\r\n{}",
    "space before the colon": POST + b"Host: a\r\nContent-Length : 2\r\n\r\n{}",
    "broken chunks": POST + b"Host: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello tls\r\n\r\n",
    "no version": b"POST /v1/chat/completions\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("data", FRAMINGS.values(), ids=FRAMINGS.keys())
def test_bad_framing_is_400_and_the_connection_ends(gateway, connection, data):
    connection.send(data)
    refused(gateway, connection.answer(), 400, "invalid_request")
    assert connection.closed()


def test_offer_of_http_2_is_not_taken_up(connection):
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
    for _ in range(3):
        connection.request(GOOD, head=offer)
        assert connection.answer().status == 200


def test_too_many_values_is_413_and_the_connection_goes_on(gateway, connection):
    connection.request(GOOD[:-1] + b',"x":[' + b",".join([b"{}"] * 100_000) + b"]}")
    refused(gateway, connection.answer(), 413, "request_too_large")
    still_works(connection)


@pytest.mark.parametrize("head", [b"Content-Encoding: deflate\r\n", b"x-weighbridge-cache: maybe\r\n"])
def test_header_that_promises_something_else_is_400(gateway, connection, head):
    connection.request(GOOD, head=head)
    refused(gateway, connection.answer(), 400, "invalid_request")
    still_works(connection)


def test_too_many_headers_is_431(gateway, connection):
    lines = b"".join(b"X-%d: 1\r\n" % number for number in range(300))
    connection.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n" + lines + b"Content-Length: 2\r\n\r\n{}")
    refused(gateway, connection.answer(), 431, "headers_too_large")
    assert connection.closed()


def test_head_without_end_is_431(gateway, connection):
    connection.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 100_000)
    refused(gateway, connection.answer(), 431, "headers_too_large")
    assert connection.closed()


@pytest.mark.parametrize(
    "tags", [b"a", b"=b", b"a=1,a=2", b"\xff=1", b"a=" + b"x" * 300, b",".join(b"t%d=1" % n for n in range(40))]
)
def test_bad_tags_are_400(gateway, connection, tags):
    connection.request(GOOD, head=b"x-weighbridge-tags: " + tags + b"\r\n")
    refused(gateway, connection.answer(), 400, "invalid_request")
    still_works(connection)


# --- bad configuration

BAD_CONFIG = """version: 1
listn: {address: 127.0.0.1:0}
workers: 0
capture: {bodies: some}
providers:
  house: {kind: openai, base_url: "not a url", api_key: env:NOT_SET_ANYWHERE}
models:
  - alias: a
    candidates: [{provider: nowhere}]
cache: {exact: {ttl: soon}}
"""


def test_bad_configuration_is_reported_whole_and_starts_nothing(tmp_path):
    (tmp_path / "bad.yaml").write_text(BAD_CONFIG)
    env = clean_environ({"WEIGHBRIDGE_HOME": str(tmp_path / "data")})
    listen = ("--listen", "127.0.0.1:0", "--operator", "127.0.0.1:0")
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "serve", "-c", "bad.yaml", *listen],
        cwd=tmp_path, env=env, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    said = done.stderr.decode()
    assert done.returncode == 1
    assert done.stdout == b""
    for line in (2, 3, 4, 6, 10):
        assert f"bad.yaml:{line}" in said, said
    assert "'listen'" in said
    assert not (tmp_path / "data" / "spool").exists()


def test_bad_prices_and_bad_policies_are_reported_with_the_configuration(tmp_path):
    (tmp_path / "bad.yaml").write_text(
        "version: 1\nprices: {overrides: prices.yaml}\npolicies: {dir: ., bundle: [rules.yaml]}\n"
    )
    (tmp_path / "prices.yaml").write_text("- {provider: a, model: b, input: cheap}\n")
    (tmp_path / "rules.yaml").write_text("apiVersion: weighbridge/v1\nkind: Policy\nmetadata: {name: x}\nrulez: []\n")
    env = clean_environ({"WEIGHBRIDGE_HOME": str(tmp_path / "data")})
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "serve", "-c", "bad.yaml", "--listen", "127.0.0.1:0", "--no-operator"],
        cwd=tmp_path, env=env, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    said = done.stderr.decode()
    assert done.returncode == 1
    assert "prices.yaml:1" in said
    assert "rules.yaml:4" in said


def test_address_that_is_taken_starts_nothing(gateway, tmp_path):
    env = clean_environ({"WEIGHBRIDGE_HOME": str(tmp_path / "data")})
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "serve", "--listen", f"127.0.0.1:{gateway.port}", "--no-operator"],
        cwd=tmp_path, env=env, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"127.0.0.1:{gateway.port}" in done.stderr.decode()
