"""Asks the data plane whether it is alive, or what it says on another path, such as /readyz; ends with 0 at a 200.

What an image without a shell and curl has for its HEALTHCHECK. It runs every few seconds, so it imports next to
nothing: start it with ``python3 -IS``.
"""

from __future__ import annotations

import os
import socket
import sys

ASKED = "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
ALIVE = b"HTTP/1.1 200"
TIMEOUT_S = 2.0
# What is listened on when all addresses are, is asked on this machine's own.
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104


def address(listen: str) -> tuple[str, int]:
    """Return where to ask, given where the gateway listens."""
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    return EVERYWHERE.get(host, host), int(port)


def told(connection: socket.socket, path: str) -> bytes:
    """Ask; returns how the answer begins."""
    connection.sendall(ASKED.format(path=path).encode())
    got = b""
    while len(got) < len(ALIVE) and (more := connection.recv(64)):
        got += more
    return got[: len(ALIVE)]


def alive(where: tuple[str, int], path: str) -> bool:
    """Whether a gateway answers there with a 200, in the clear or by TLS."""
    try:
        with socket.create_connection(where, TIMEOUT_S) as plain:
            got = told(plain, path)
    except ConnectionError:
        got = b""
    if got.startswith(b"HTTP/"):
        return got == ALIVE
    import ssl  # noqa: PLC0415

    # It is this very container that is asked, under a name that its certificate does not have.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(where, TIMEOUT_S) as plain, context.wrap_socket(plain) as sealed:
        return told(sealed, path) == ALIVE


if __name__ == "__main__":
    try:
        listening = address(os.environ.get("WEIGHBRIDGE_LISTEN") or "127.0.0.1:8080")
        sys.exit(not alive(listening, sys.argv[1] if len(sys.argv) > 1 else "/healthz"))
    except OSError as problem:
        sys.exit(f"no answer: {problem}")
