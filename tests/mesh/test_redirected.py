"""Connections that a real firewall sends here, in a network of the test's own: no program knows of a proxy."""

from __future__ import annotations

import ctypes
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.clients.certificates import make_authority
from tests.support import openai_script
from tests.support.certificates import certify
from tests.support.gateway_run import CHAT, Gateway, chat, running_anew, until
from tests.support.scripted_server import scripted_server

pytestmark = pytest.mark.integration
_NEW_NETWORK, _MARK = 0x40000000, 36
# Clients mark what they send, as another user's programs would be known by their user; the gateway does not.
MARK = 7
VENDOR, OTHER = "203.0.113.9", "203.0.113.7"
CONFIG = (
    "version: 1\npolicies: {{bundle: []}}\nproviders:\n  house: {{kind: openai, base_url: 'https://localhost:{}/v1'}}\n"
)


def in_a_network_of_its_own(work: Callable[[], None]) -> None:
    """Run something where nobody else's rules and ports are: a thread has its own, and so have its children."""

    def run() -> None:
        if ctypes.CDLL(None, use_errno=True).unshare(_NEW_NETWORK):
            raise PermissionError
        work()

    with ThreadPoolExecutor(1) as pool:
        try:
            pool.submit(run).result()
        except PermissionError:
            pytest.skip("a network of one's own takes CAP_SYS_ADMIN")


def do(line: str) -> None:
    subprocess.run(line.split(), check=True, capture_output=True)


def marked(host: str, port: int) -> socket.socket:
    sock = socket.socket()
    sock.settimeout(30)
    sock.setsockopt(socket.SOL_SOCKET, _MARK, MARK)
    sock.connect((host, port))
    return sock


def read(sock: socket.socket) -> bytes:
    got = b""
    while more := sock.recv(65_536):
        got += more
    return got


def greet(server: socket.socket) -> None:
    """Speak first, as servers of mail do, and repeat what is said."""
    with closing(server.accept()[0]) as peer:
        peer.sendall(b"220 welcome\r\n")
        peer.sendall(b"you said " + peer.recv(100))


def call(gateway: Gateway, port: int, authority: bytes) -> None:
    context = ssl.create_default_context(cadata=authority.decode())
    body = orjson.dumps(chat("gpt-4o-mini", "hello"))
    head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\n"
    with context.wrap_socket(marked(VENDOR, port), server_hostname="localhost") as peer:
        peer.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        answer, _, said = read(peer).partition(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert orjson.loads(said)["choices"][0]["message"]["content"] == "from the vendor"
    (record,) = until(gateway.spooled)
    assert (record["provider"], record["model_requested"], record["status"]) == ("house", "gpt-4o-mini", 200)


def elsewhere(gateway: Gateway) -> None:
    with closing(socket.create_server((OTHER, 9999))) as server:
        threading.Thread(target=greet, args=(server,)).start()
        with closing(marked(OTHER, 9999)) as peer:
            # It waits for the server to speak, and so does the gateway.
            assert peer.recv(100) == b"220 welcome\r\n"
            peer.sendall(b"EHLO")
            assert read(peer) == b"you said EHLO"
    record: dict[str, Any] = until(lambda: next((e for e in gateway.spooled() if e["dialect"] == "tunnel"), None))
    assert (record["route"], record["bytes_in"], record["bytes_out"]) == (f"CONNECT {OTHER}:9999", 4, 26)


def test_what_a_firewall_sends_here_goes_where_it_was_going(tmp_path: Path) -> None:
    if not all(map(shutil.which, ("iptables", "ip"))):
        pytest.skip("there is no iptables: 'make mesh' installs it where it may")
    cert, key = certify(tmp_path, "vendor")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(cert, key)
    made, home = make_authority("Test", datetime.now(UTC)), tmp_path / "home" / "ca"
    home.mkdir(parents=True)
    (home / "ca.pem").write_bytes(made.certificate)
    (home / "ca.key").write_bytes(made.key)

    def work() -> None:
        do("ip link set lo up")
        for address in (VENDOR, OTHER):
            do(f"ip addr add {address}/32 dev lo")
        with scripted_server(tls) as vendor:
            vendor.script = openai_script.answer(openai_script.chat("from the vendor"))
            port = vendor.provider.port
            config = CONFIG.format(port)
            with running_anew(tmp_path, "--intercept", config=config, SSL_CERT_FILE=str(cert)) as gateway:
                do(f"iptables -t nat -A OUTPUT -p tcp -m mark --mark {MARK} -j REDIRECT --to-port {gateway.port}")
                call(gateway, port, made.certificate)
                assert vendor.last.headers["host"] == f"localhost:{port}"
                elsewhere(gateway)

    in_a_network_of_its_own(work)
