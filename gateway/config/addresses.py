"""Addresses and URLs as configuration writes them. Messages never quote a URL: it may hold a password."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

import msgspec

_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]+)):([0-9]{1,5})")
_CLICKHOUSE = re.compile(
    r"(?:([A-Za-z0-9_.-]+)(?::(.+))?@)?([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?/(\w+)"
)


class Address(msgspec.Struct, frozen=True):
    """Where a server listens. Port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        """Render as ``host:port``, IPv6 in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Only this machine can reach it."""
        return is_loopback_name(self.host)

    @property
    def is_everywhere(self) -> bool:
        """It stands for every interface."""
        return not self.host.strip("0.:")


def parse_address(value: object) -> Address:
    """Read ``host:port`` or ``[v6]:port``.

    Raises:
        ValueError: It is neither.
    """
    match = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[3]) > 65535:
        raise ValueError("should be host:port, such as 127.0.0.1:8080 or [::1]:8080")
    return Address(match[1] or match[2], int(match[3]))


_WEB, _RPC = ("http", "https"), ("grpc", "grpcs")


def parse_server_url(value: object) -> str:
    """Read a base URL, or the address of a server that is spoken to by gRPC; raises as :func:`parse_base_url`."""
    url = _base_url(value, (*_WEB, *_RPC))
    if is_rpc(url):
        parts = urlsplit(url)
        if parts.path or parts.port is None:
            raise ValueError("should be host and port, such as grpc://triton:8001")
    return url


def is_rpc(url: str) -> bool:
    """Whether a URL is that of a server that is spoken to by gRPC."""
    return url.startswith(tuple(f"{scheme}://" for scheme in _RPC))


def parse_base_url(value: object) -> str:
    """Read an ``http`` or ``https`` base URL.

    Returns:
        Scheme, authority and path, without a trailing slash.

    Raises:
        ValueError: It is not one, or holds a query, a fragment or credentials.
    """
    return _base_url(value, _WEB)


def _base_url(value: object, schemes: tuple[str, ...]) -> str:
    parts = _split(value) if isinstance(value, str) else None
    if parts is None or parts.scheme not in schemes or not parts.hostname:
        raise ValueError("should be a base URL such as https://api.example.com/v1")
    if parts.username is not None or parts.password is not None:
        raise ValueError("should hold no user and no password; give api_key instead")
    if parts.query or parts.fragment:
        raise ValueError("should hold no query and no fragment")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def points_at(url: str, address: Address) -> bool:
    """Whether a base URL leads back to where we listen ourselves."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = parts.hostname or ""
    if port != address.port:
        return False
    return host == address.host or (is_loopback_name(host) and (address.is_loopback or address.is_everywhere))


class ClickHouseUrl(msgspec.Struct, frozen=True):
    """A ClickHouse server's URL taken apart; ``password`` is a reference, never the password."""

    user: str
    password: str | None
    address: Address
    database: str


def parse_clickhouse(url: str) -> ClickHouseUrl:
    """Read ``clickhouse://user:env:VAR@host:port/database``.

    Raises:
        ValueError: It is not one, or holds the password itself.
    """
    match = _CLICKHOUSE.fullmatch(url.removeprefix("clickhouse://"))
    if match is None or int(match[4] or 0) > 65535:
        raise ValueError("should be clickhouse://user:env:VARIABLE@host:port/database")
    user, password, host, port, database = match.groups()
    if password is not None and not re.fullmatch(r"env:[A-Za-z_]\w*|file:.+", password):
        raise ValueError(
            "the password is not written here but referred to: clickhouse://user:env:NAME@host:port/database"
        )
    return ClickHouseUrl(user or "default", password, Address(host.strip("[]"), int(port or 8123)), database)


def _split(value: str) -> SplitResult | None:
    if not value.isascii() or not value.isprintable() or " " in value:
        return None
    try:
        parts = urlsplit(value)
        # The port is parsed when it is asked for.
        port = parts.port
    except ValueError:
        return None
    return parts if port is None or port > 0 else None


def is_loopback_name(host: str) -> bool:
    """Whether a host, as a URL names it, is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
