"""Who may speak to the operator plane: a holder of the token, or without a token whoever sits on this machine.

"On this machine" is not taken from the peer's address alone: a page in a local browser can reach loopback under a name
of its own (DNS rebinding) or blindly from another site, so the Host and Origin of a request are looked at too.
"""

from __future__ import annotations

import hmac
from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec

from gateway.core.errors import AuthenticationFailed, GatewayError, PermissionDenied

# Open to anybody who holds the token's place in the network: a probe carries no credential, and learns one word.
PROBES = frozenset({"/healthz", "/readyz"})


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """What of a request says who sent it.

    Attributes:
        peer: Address of the other end without a port; empty for a Unix socket.
        hosts: Every Host header; a browser always sends exactly one.
        origin: The Origin header, which browsers set and pages cannot.
        fetch_site: ``Sec-Fetch-Site``, likewise.
    """

    path: str
    peer: str
    hosts: tuple[str, ...] = ()
    authorization: str = ""
    origin: str | None = None
    fetch_site: str = ""


class Gate:
    """Lets calls in or turns them back.

    Args:
        token: The bearer token to demand; ``None`` or empty admits loopback only.
    """

    def __init__(self, token: str | None) -> None:
        self._token = token.encode() if token else None

    def refuse(self, caller: Caller) -> GatewayError | None:
        """Say why this call is turned back, or ``None`` when it may pass."""
        if self._token is None:
            if not is_loopback_address(caller.peer):
                return PermissionDenied("Without a token the operator plane answers to this machine only.")
            if not all(is_loopback_host(host) for host in caller.hosts):
                return PermissionDenied("Without a token the Host header must name this machine's loopback.")
        elif caller.path not in PROBES and not self._has_token(caller.authorization):
            return AuthenticationFailed("The operator plane needs its bearer token.")
        if is_cross_site(caller):
            return PermissionDenied("Calls from pages of other sites are refused.")
        return None

    def _has_token(self, authorization: str) -> bool:
        scheme, _, given = authorization.partition(" ")
        wanted = self._token or b""
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode("utf-8", "replace"), wanted)


def is_cross_site(caller: Caller) -> bool:
    """Whether a browser sent this on behalf of a page that is not ours. A link to the console may lie anywhere."""
    if caller.origin is not None and not _is_own(caller.origin, caller):
        return True
    return caller.fetch_site == "cross-site" and caller.path != "/"


def is_loopback_address(peer: str) -> bool:
    """Whether an address is this machine's; a Unix socket has none and is."""
    if not peer:
        return True
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def is_loopback_host(host: str) -> bool:
    """Whether a Host header names loopback: ``localhost``, ``127.0.0.0/8`` or ``[::1]``, with any port."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return bool(name) and (name.rstrip(".") == "localhost" or is_loopback_address(name))


def _is_own(origin: str, caller: Caller) -> bool:
    # The scheme is left out: behind a proxy that ends TLS, a page of ours is https and the request that arrives http.
    host = origin.partition("://")[2].lower()
    return len(caller.hosts) == 1 and host == caller.hosts[0].lower()
