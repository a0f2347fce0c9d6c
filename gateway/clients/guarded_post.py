"""Posting to an address that a person wrote down, without being led anywhere else inside one's own network.

The guard stands where a socket is made, for the very address that is connected to: whatever a name resolved to, and
however an address was spelt. Redirects are not followed, proxies of the environment are not used.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable
from ipaddress import ip_network
from typing import Any

import aiohttp

from gateway.clients.outside import may_be_reached
from gateway.clients.tls import client_context


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
        self._allow = tuple(ip_network(each) for each in allow)
        self._tls: ssl.SSLContext | None = None
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> int:
        """Send a body and return the status of the answer; what else the answer says is not read.

        Raises:
            AddressForbidden: It may not be sent there.
            NotDelivered: It did not get there, or no answer came in time.
        """
        refused = False
        if self._tls is None and url.startswith("https:"):
            # Made once: it reads every authority that the system trusts.
            self._tls = client_context()

        def guarded(info: tuple[Any, ...]) -> socket.socket:
            nonlocal refused
            family, kind, protocol, _, where = info
            if not may_be_reached(str(where[0]), self._allow):
                refused = True
                raise _Refused("not allowed")
            return socket.socket(family, kind, protocol)

        connector = aiohttp.TCPConnector(
            socket_factory=guarded, use_dns_cache=False, force_close=True, ssl=self._tls or True
        )
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
