"""Addresses that somebody else has named: whether they may be asked.

A document from outside that says where to go on must not lead to what only this machine or its network can reach.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from gateway.core.errors import ConnectFailed, InvalidAnswer


async def check_outside(url: str, named_by: str) -> None:
    """Check an address before it is asked.

    Args:
        url: What was named.
        named_by: The configured address whose document named it: the same host is trusted as that one is.

    Raises:
        InvalidAnswer: It is no address that may be asked.
        ConnectFailed: Its host has no address.
    """
    try:
        parts, ours = urlsplit(url), urlsplit(named_by)
        port = parts.port
    except ValueError:
        raise InvalidAnswer("An address that was named is none.") from None
    plain = url.isascii() and url.isprintable() and " " not in url
    if not plain or not parts.hostname or parts.username is not None or parts.password is not None:
        raise InvalidAnswer("An address that was named is none.")
    if parts.hostname == ours.hostname and parts.scheme in {"https", ours.scheme}:
        return
    if parts.scheme != "https":
        raise InvalidAnswer("An address on another host must be https.")
    for found in await _addresses(parts.hostname, port or 443):
        if not is_public(found):
            raise InvalidAnswer("An address on another host must be a public one.")


def is_public(address: str) -> bool:
    """Whether an IP address is one that anybody on the internet can reach."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    if mapped is not None:
        found = mapped
    return found.is_global and not found.is_multicast


async def _addresses(host: str, port: int) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ConnectFailed("A host that was named has no address.") from None
    return [str(entry[4][0]) for entry in found]
