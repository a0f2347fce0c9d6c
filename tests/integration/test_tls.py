"""TLS on both ends: clients to the gateway on either side of the listener, and the gateway to its provider."""

from __future__ import annotations

import http.client
import shutil
import signal
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import orjson
import pytest

from tests.support.certificates import certify
from tests.support.gateway_run import CHAT, Gateway, chat, running, until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl"),
]
CONFIG = """
    version: 1
    listen: {tls: {cert: tls.pem, key: tls.key}}
    policies: {reload: 10m}
"""
WORDS = "one two three"


@contextmanager
def connected(gateway: Gateway, cert: Path) -> Iterator[http.client.HTTPSConnection]:
    context = ssl.create_default_context(cafile=str(cert))
    with closing(http.client.HTTPSConnection("localhost", gateway.port, context=context, timeout=60)) as connection:
        yield connection


def said(connection: http.client.HTTPConnection, *, stream: bool) -> bytes:
    connection.request(
        "POST", CHAT, orjson.dumps(chat(text=WORDS, stream=stream)), {"content-type": "application/json"}
    )
    answer = connection.getresponse()
    assert answer.status == 200
    return answer.read()


@pytest.mark.parametrize("first", ["hot", "cold"])
def test_a_connection_over_tls_is_served_on_either_side_and_may_change_it(tmp_path: Path, first: str) -> None:
    cert, _ = certify(tmp_path)
    with running(tmp_path, config=CONFIG) as gateway, connected(gateway, cert) as connection:
        connection.connect()
        ours = connection.sock
        if first == "cold":
            connection.request("GET", "/v1/models")
            assert connection.getresponse().read()
        for _ in range(3):
            assert WORDS.encode() in said(connection, stream=False)
            assert said(connection, stream=True).endswith(b"data: [DONE]\n\n")
        assert connection.sock is ours


def test_a_provider_is_spoken_to_over_tls_and_only_when_it_is_who_it_should_be(tmp_path: Path) -> None:
    cert, _ = certify(tmp_path)
    with running(tmp_path / "provider", config=CONFIG.replace("tls.", "../tls.")) as provider:
        upstream = ("--upstream", f"https://localhost:{provider.port}/v1")
        with running(tmp_path / "trusts", *upstream, SSL_CERT_FILE=str(cert)) as gateway:
            for _ in range(2):
                assert WORDS.encode() in gateway.chat(text=WORDS).body
            assert gateway.chat(text=WORDS, stream=True).body.endswith(b"data: [DONE]\n\n")
        with running(tmp_path / "does-not", *upstream) as gateway:
            assert gateway.chat().status == 502


def test_a_renewed_certificate_is_shown_after_a_reload_and_a_wrong_one_is_not(tmp_path: Path) -> None:
    cert, key = certify(tmp_path)
    old = ssl.PEM_cert_to_DER_cert(cert.read_text())
    with running(tmp_path, config=CONFIG) as gateway:

        def shown() -> bytes:
            return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", gateway.port)))

        def reload(result: str) -> None:
            before = gateway.counts()["config_reloads"].get(result, 0)
            gateway.process.send_signal(signal.SIGHUP)
            until(lambda: gateway.counts()["config_reloads"].get(result, 0) > before)

        with connected(gateway, cert) as connection:
            assert WORDS.encode() in said(connection, stream=False)
            certify(tmp_path)
            reload("applied")
            renewed = ssl.PEM_cert_to_DER_cert(cert.read_text())
            assert shown() == renewed != old
            # A connection that was there goes on.
            assert WORDS.encode() in said(connection, stream=False)
        key.write_text("no key")
        reload("rejected")
        assert shown() == renewed
        until(lambda: "listen.tls" in gateway.log)
