"""Addresses that somebody else has named: whether they may be asked, and which of them are connected to.

What comes from outside and says where to go on must not lead to what only this machine or its network can reach. Names
prove nothing: the address that is connected to is the one that was looked at, so a name that means another host the
next time gains nothing, nor does another spelling of an address. Whoever dials for somebody else asks here:

- webhooks of alerts, by :func:`may_be_reached` where the socket is made;
- documents that another document names, by :func:`is_elsewhere` and :func:`public_addresses`;
- clients of a proxy, by :func:`may_be_led_to`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from gateway.core.errors import ConnectFailed, InvalidAnswer

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Where clouds tell a machine its credentials, beside what is local to the link. The last is in the public space.
METADATA = frozenset(map(ip_address, ("fd00:ec2::254", "100.100.100.200", "168.63.129.16")))
# The special-purpose registries of IANA, as far as nobody on the internet is there. Python's own list is not asked:
# what it calls global changes from version to version.
_INSIDE = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
            "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
        ),
    )
)  # fmt: skip
# All of the new protocol that was ever given out; loopback, links, sites and groups are elsewhere.
_GIVEN_OUT = IPv6Network("2000::/3")
# Addresses of the old protocol inside the new one.
_NAT64, _COMPATIBLE = IPv6Network("64:ff9b::/96"), IPv6Network("::/96")
_LAST_32_BITS = 2**32 - 1
# Those of the last are no addresses of the old one.
_OWN = frozenset((IPv6Address("::"), IPv6Address("::1")))


def plain(address: str) -> Address:
    """Read an address as what it leads to: one of the old protocol inside the new one is that one.

    Raises:
        ValueError: It is none.
    """
    given = ip_address(address.partition("%")[0])
    if isinstance(given, IPv4Address) or given in _OWN:
        return given
    if given in _NAT64 or given in _COMPATIBLE:
        return IPv4Address(int(given) & _LAST_32_BITS)
    teredo = given.teredo
    return given.ipv4_mapped or given.sixtofour or (teredo[1] if teredo else None) or given


def is_public(address: str) -> bool:
    """Whether an IP address is one that anybody on the internet can reach."""
    try:
        found = plain(address)
    except ValueError:
        return False
    if found in METADATA or (isinstance(found, IPv6Address) and found not in _GIVEN_OUT):
        return False
    return not any(found in network for network in _INSIDE if network.version == found.version)


def may_be_reached(address: str, allow: Iterable[Network] = ()) -> bool:
    """Whether an address is a public one, or in one of the networks that are allowed."""
    written = ip_address(address.partition("%")[0])
    either = (written, plain(address))
    if any(each.version == network.version and each in network for network in allow for each in either):
        return True
    return is_public(address)


def may_be_led_to(address: str, *, from_here: bool) -> bool:
    """Whether a client of a proxy may be connected to an address.

    Never what a cloud tells a machine about itself; and what only this machine reaches, only who is on it. Its own
    network a client reaches by itself.
    """
    try:
        found = plain(address)
    except ValueError:
        return False
    if found.is_link_local or found.is_multicast or found.is_unspecified or found in METADATA:
        return False
    return from_here or not found.is_loopback


def is_elsewhere(url: str, named_by: str) -> bool:
    """Check an address that a document names, before it is asked.

    Args:
        url: What was named.
        named_by: The configured address whose document named it: the same host is trusted as that one is.

    Returns:
        Whether it is on another host, of which only :func:`public_addresses` may be connected to.

    Raises:
        InvalidAnswer: It is no address that may be asked.
    """
    try:
        parts, ours = urlsplit(url), urlsplit(named_by)
        port = parts.port
    except ValueError:
        raise InvalidAnswer("An address that was named is none.") from None
    spelt = url.isascii() and url.isprintable() and " " not in url and port != 0
    if not spelt or not parts.hostname or parts.username is not None or parts.password is not None:
        raise InvalidAnswer("An address that was named is none.")
    if parts.hostname == ours.hostname and parts.scheme in {"https", ours.scheme}:
        return False
    if parts.scheme != "https":
        raise InvalidAnswer("An address on another host must be https.")
    return True


async def public_addresses(host: str, port: int) -> list[str]:
    """Look up a host that somebody else has named, for whoever connects to it next.

    Raises:
        InvalidAnswer: It has an address that is not public. Then none is given: a host is not half inside.
        ConnectFailed: It has none.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ConnectFailed("A host that was named has no address.") from None
    addresses = [str(entry[4][0]) for entry in found]
    if not all(map(is_public, addresses)):
        raise InvalidAnswer("An address on another host must be a public one.")
    return addresses
