"""A real Envoy before us or behind us, with a configuration of the test's own; its ports are those that were free."""

from __future__ import annotations

import http.client
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.gateway_run import until

_PEERS = Path(__file__).parents[2] / "loadtests" / "bin" / "peers" / "envoy"
_TYPES = "type.googleapis.com/envoy.extensions"
Document = dict[str, Any]


def envoy_program() -> Path:
    """Where Envoy is; the test is skipped where it is not."""
    named = os.environ.get("WEIGHBRIDGE_ENVOY")
    found = [Path(named)] if named else list(_PEERS.glob("lib/python*/site-packages/envoy/_bin/envoy"))
    if not found or not found[0].exists():
        pytest.skip("Envoy is not installed: 'make mesh' does that")
    return found[0]


def cluster(name: str, port: int, **more: Any) -> Document:
    """Where calls go: a port of this machine."""
    place = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}
    return {
        "name": name,
        "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": place}]}]},
        **more,
    }


def listener(
    name: str, to: str, *, host: Document | None = None, manager: Document | None = None,
    chain: Document | None = None, filters: tuple[Document, ...] = (), route: Document | None = None,
) -> Document:  # fmt: skip
    """A listener on a free port, all of whose calls go to one cluster.

    Args:
        name: As the test asks for its port.
        to: The cluster.
        host: More of the virtual host.
        manager: More of the connection manager.
        chain: More of the filter chain.
        filters: HTTP filters before the router.
        route: More of the route's action.
    """
    action = {"cluster": to, "timeout": "0s", **(route or {})}
    virtual = {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": action}], **(host or {})}
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{_TYPES}.filters.http.router.v3.Router"},
    }
    connections = {
        "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "route_config": {"virtual_hosts": [virtual]},
        "http_filters": [*filters, router],
        **(manager or {}),
    }
    network = {"name": "envoy.filters.network.http_connection_manager", "typed_config": connections}
    return {
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [network], **(chain or {})}],
    }


def asks_for_certificates(cert: Path, key: Path, authority: Path) -> Document:
    """The part of a filter chain that makes it one of mutual TLS."""
    files = [{"certificate_chain": {"filename": str(cert)}, "private_key": {"filename": str(key)}}]
    trusted = {"trusted_ca": {"filename": str(authority)}}
    tls = {
        "@type": f"{_TYPES}.transport_sockets.tls.v3.DownstreamTlsContext",
        "require_client_certificate": True,
        "common_tls_context": {"tls_certificates": files, "validation_context": trusted},
    }
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls}}


@dataclass
class Envoy:
    """A running one."""

    admin: int
    ports: dict[str, int]

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def stat(self, name: str) -> int:
        """What a counter says."""
        for line in _told(self.admin, f"/stats?filter=^{name}$").decode().splitlines():
            return int(line.rpartition(": ")[2])
        return 0


@contextmanager
def envoy(home: Path, clusters: list[Document], listeners: list[Document]) -> Iterator[Envoy]:
    """Run one, until it is not needed."""
    program = envoy_program()
    home.mkdir(parents=True, exist_ok=True)
    document = {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {"clusters": clusters, "listeners": listeners},
    }
    (home / "envoy.json").write_bytes(orjson.dumps(document))
    said, log = home / "admin", home / "envoy.log"
    said.unlink(missing_ok=True)
    words = ["-c", str(home / "envoy.json"), "--concurrency", "1", "-l", "warning", "--disable-hot-restart"]
    with log.open("wb") as err:
        process = subprocess.Popen([program, *words, "--admin-address-path", str(said)], stdout=err, stderr=err)
    try:

        def ready() -> dict[str, int] | None:
            assert process.poll() is None, log.read_text()
            if not said.exists() or ":" not in said.read_text():
                return None
            found = _ports(_port(said))
            return found if len(found) == len(listeners) else None

        ports = until(ready)
        yield Envoy(_port(said), ports)
    finally:
        process.terminate()
        process.wait(30)


def _port(said: Path) -> int:
    return int(said.read_text().strip().rpartition(":")[2])


def _ports(admin: int) -> dict[str, int]:
    try:
        told = orjson.loads(_told(admin, "/listeners?format=json"))
        if _told(admin, "/ready").strip() != b"LIVE":
            return {}
    except OSError:
        return {}
    found = told.get("listener_statuses", [])
    return {each["name"]: each["local_address"]["socket_address"]["port_value"] for each in found}


def _told(admin: int, path: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", admin, timeout=30)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()
