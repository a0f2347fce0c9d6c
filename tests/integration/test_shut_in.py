"""What a gateway keeps to itself: nothing that it is given in confidence is found outside its memory."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from tests.support.certificates import certify
from tests.support.gateway_run import CHAT, Gateway, ask, chat, members, running_anew, until
from tests.support.provider import whole
from tests.support.scripted_server import scripted_server

pytestmark = pytest.mark.integration

CONFIG = """
    version: 1
    listen: {{tls: {{cert: tls.pem, key: tls.key}}}}
    policies: {{dir: ., bundle: [judge.yaml], reload: 10m}}
    operator: {{token: env:PLANE}}
    stores: {{traces: "clickhouse://ann:env:STORE@127.0.0.1:9/none"}}
    providers: {{p: {{kind: openai, base_url: "{url}", api_key: env:UPSTREAM}}}}
    models: [{{alias: m, candidates: [{{provider: p}}]}}]
"""
POLICY = """
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: judged}
detectors: {asked: {use: webhook, url: "http://127.0.0.1:9/judge", headers: {x-key: "env:JUDGE"}, timeout: 1s}}
on_error: {asked: annotate}
rules: [{id: asked, match: {direction: request}, when: asked, do: annotate, mode: enforce}]
"""
# Those with a telling name, those that are referred to, and one that is neither ours nor asked for.
SECRETS = {
    "UPSTREAM": "sk-upstream-6f1d", "JUDGE": "judge-77aa0c", "PLANE": "plane-token-9b2e", "STORE": "store-d4410b",
    "SOMEBODY_ELSES_PASSWORD": "foreign-51e0",
}  # fmt: skip
CALLER = "sk-of-the-caller-c0ffee"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("shut-in")
    certify(folder)
    (folder / "judge.yaml").write_text(POLICY)
    # A provider that repeats the key that it refuses.
    with scripted_server() as server:
        server.script = lambda asked: [
            whole(b'{"error": {"message": "No such key: %b"}}' % asked.headers["authorization"].encode(), "401 No")
        ]
        with running_anew(folder, operator=True, config=CONFIG.format(url=server.url), **SECRETS) as running:
            yield running


def connect(gateway: Gateway) -> http.client.HTTPSConnection:
    cert = gateway.home.parent / "tls.pem"
    return http.client.HTTPSConnection(
        "localhost", gateway.port, context=ssl.create_default_context(cafile=str(cert)), timeout=60
    )


def call(gateway: Gateway) -> tuple[int, bytes]:
    with closing(connect(gateway)) as connection:
        headers = {"content-type": "application/json", "authorization": f"Bearer {CALLER}"}
        connection.request("POST", CHAT, orjson.dumps(chat("m")), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def found_in(text: bytes) -> set[str]:
    return {secret for secret in (*SECRETS.values(), CALLER) if secret.encode() in text}


def test_no_process_shows_a_secret_or_may_leave_its_memory_behind(gateway: Gateway) -> None:
    processes = members(gateway.process.pid)
    # The parent, a worker and the operator.
    assert len(processes) >= 3
    for pid in processes:
        kernel = Path(f"/proc/{pid}")
        shown = (kernel / "environ").read_bytes()
        assert b"WEIGHBRIDGE_HOME=" in shown
        assert found_in(shown + (kernel / "cmdline").read_bytes()) == set()
        limits = (kernel / "limits").read_text()
        assert re.search(r"Max core file size +0 +0 ", limits)
        assert "NoNewPrivs:\t1" in (kernel / "status").read_text()


def test_what_dies_leaves_no_memory_behind_and_the_secrets_still_serve(gateway: Gateway) -> None:
    before = gateway.worker_pid()
    os.kill(before, signal.SIGSEGV)
    until(lambda: gateway.worker_pid() != before)
    assert not list(gateway.home.parent.glob("core*"))
    # The provider's own error; the key went to it, and the judge was asked with its own.
    assert call(gateway)[0] == 401
    os.kill(gateway.worker_pid(), signal.SIGHUP)
    until(lambda: "reloaded" in gateway.log)
    assert call(gateway)[0] == 401


def test_nothing_that_is_written_holds_a_secret(gateway: Gateway) -> None:
    status, said = call(gateway)
    assert (status, b"No such key: Bearer ***" in said) == (401, True)
    assert found_in(said) == set()
    operator = gateway.operator["port"]
    plane = f"Bearer {SECRETS['PLANE']}"

    def told_at(path: str) -> bytes:
        return ask(operator, path, authorization=plane).body

    until(lambda: b"weighbridge" in told_at("/metrics"))
    told = b"".join(map(told_at, ("/metrics", "/api/policies", "/api/deployments")))
    assert b'"asked"' in told
    assert found_in(told + gateway.log.encode()) == set()
    for path in gateway.home.rglob("*"):
        if path.is_file():
            assert found_in(path.read_bytes()) == set(), path.name


def test_the_operator_plane_is_closed(gateway: Gateway) -> None:
    port = gateway.operator["port"]
    assert ask(port, "/api/policies").status == 401
    assert ask(port, "/metrics", authorization="Bearer wrong").status == 401
    assert ask(port, "/healthz").status == 200
    # It listens on loopback and nowhere else.
    listening = {
        line.split()[1]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")
    }
    assert listening == {f"0100007F:{port:04X}"}


@pytest.mark.parametrize("version", ["TLSv1_1", "TLSv1_2"])
def test_the_listener_speaks_no_old_version_of_tls(gateway: Gateway, version: str) -> None:
    context = ssl.create_default_context(cafile=str(gateway.home.parent / "tls.pem"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as client:
        if version == "TLSv1_2":
            with context.wrap_socket(client, server_hostname="localhost") as agreed:
                assert agreed.version() == "TLSv1.2"
        else:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                context.wrap_socket(client, server_hostname="localhost")
