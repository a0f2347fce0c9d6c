from __future__ import annotations

import re
import ssl
import warnings
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.asyncio.connection import SSLConnection

from gateway.clients.redis_line import RedisAccess
from gateway.clients.tls import LEAST, client_context, server_context
from tests.architecture.sources import ROOT, name, python_files, text
from tests.support.certificates import certify

# Asks whether a certificate and its key belong together, and speaks to nobody.
_NO_CONNECTION = {"gateway/config/check.py"}


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> str | None:
    """Let two ends agree; returns the version that they speak."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname="localhost"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    waiting = set(ends)
    for _ in range(10):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.discard(end)
    assert not waiting
    return ends[0].version()


def only(context: ssl.SSLContext, version: ssl.TLSVersion) -> ssl.SSLContext:
    """Make an end speak one version, even one that its library would rather not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
    return context


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certify(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("old", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_neither_end_speaks_an_old_version(certificate: tuple[Path, Path], old: ssl.TLSVersion) -> None:
    cert, key = certificate
    ours, theirs = server_context(), only(ssl.create_default_context(cafile=str(cert)), old)
    ours.load_cert_chain(cert, key)
    # Also where ciphers are no hindrance.
    ours.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        shake_hands(theirs, ours)
    ours, theirs = client_context(), only(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), old)
    theirs.load_cert_chain(cert, key)
    ours.load_verify_locations(cert)
    ours.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        shake_hands(ours, theirs)


def test_both_ends_speak_the_newest_and_the_one_before(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    server, client = server_context(), client_context()
    server.load_cert_chain(cert, key)
    client.load_verify_locations(cert)
    assert shake_hands(client, server) == "TLSv1.3"
    client.maximum_version = LEAST
    assert shake_hands(client, server) == "TLSv1.2"


def test_a_client_checks_whom_it_speaks_to() -> None:
    context = client_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_tls_is_made_in_one_place() -> None:
    made = re.compile(r"SSLContext\(|create_default_context|CERT_NONE|check_hostname = False|verify=False|ssl=False")
    found = {name(path) for path in python_files("gateway", "plugins") if made.search(text(path))}
    assert found == {"gateway/clients/tls.py"} | _NO_CONNECTION, ROOT


def test_redis_is_told_too() -> None:
    """Its driver makes TLS by itself."""
    told = RedisAccess(host="redis.example.com", port=6380, user="ann", password="p", tls=True).driver()
    line = Redis(**told).connection_pool.make_connection()
    assert isinstance(line, SSLConnection)
    assert (line.host, line.port, line.username) == ("redis.example.com", 6380, "ann")
    assert (line.ssl_context.min_version, line.ssl_context.cert_reqs) == (LEAST, ssl.CERT_REQUIRED)
    drivers = [path for path in python_files("gateway") if re.search(r"= Redis\(", text(path))]
    assert drivers
    assert all("**access.driver()" in text(path) for path in drivers)
