"""Posting to an address that a person wrote down, without being led anywhere else inside one's own network.

The guard stands where a socket is made, for the very address that is connected to: whatever a name resolved to, and
however an address was spelt. Redirects are not followed, proxies of the environment are not used.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

import aiohttp

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Addresses of the old protocol inside the new one.
_NAT64 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
_LAST_32_BITS = 2**32 - 1


class AddressForbidden(Exception):
    """It leads to an address inside: private, loopback, link-local, of metadata."""


class NotDelivered(Exception):
    """Nobody took it, this time. The message says why, without the address."""


class _Refused(OSError):
    pass


class GuardedPost:
    """Posts.

    Args:
        allow: Networks that may be reached though they are not public.
        timeout_s: For everything of one post.
    """

    def __init__(self, allow: Iterable[str], timeout_s: float) -> None:
        self._allow = tuple(ipaddress.ip_network(each) for each in allow)
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> int:
        """Send a body and return the status of the answer; what else the answer says is not read.

        Raises:
            AddressForbidden: It may not be sent there.
            NotDelivered: It did not get there, or no answer came in time.
        """
        refused = False

        def guarded(info: tuple[Any, ...]) -> socket.socket:
            nonlocal refused
            family, kind, protocol, _, where = info
            if not may_be_reached(str(where[0]), self._allow):
                refused = True
                raise _Refused("not allowed")
            return socket.socket(family, kind, protocol)

        connector = aiohttp.TCPConnector(socket_factory=guarded, use_dns_cache=False, force_close=True)
        try:
            async with (
                aiohttp.ClientSession(
                    connector=connector, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar()
                ) as session,
                session.post(url, headers=headers, data=body, allow_redirects=False) as answer,
            ):
                return answer.status
        except TimeoutError:
            raise NotDelivered("no answer in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if refused:
                raise AddressForbidden from None
            raise NotDelivered(type(error).__name__) from None


def may_be_reached(address: str, allow: Iterable[_Network] = ()) -> bool:
    """Whether an address is a public one, or in one of the networks that are allowed."""
    given = ipaddress.ip_address(address.partition("%")[0])
    plain = _plain(given)
    if any(each.version == network.version and each in network for network in allow for each in (given, plain)):
        return True
    return plain.is_global and not plain.is_multicast


def _plain(address: _Address) -> _Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if any(address in network for network in _NAT64):
        return ipaddress.IPv4Address(int(address) & _LAST_32_BITS)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None) or address
