"""Who may speak to the operator plane: a holder of the token, or without a token whoever sits on this machine.

"On this machine" is not taken from the peer's address alone: a page in a local browser can reach loopback under a name
of its own (DNS rebinding) or blindly from another site, so the Host and Origin of a request are looked at too.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec

from gateway.core.errors import AuthenticationFailed, PermissionDenied
from gateway.operator.roles import VIEWER, Visitor
from gateway.operator.visitor_tokens import VisitorTokens

# Open to anybody who holds the token's place in the network: a probe carries no credential, and learns one word.
PROBES = frozenset({"/healthz", "/readyz"})
# Nobody else can make the digests that tokens are compared by.
_PROCESS_KEY = os.urandom(32)
_LOCAL = Visitor(name="loopback")
_PROBE = Visitor(name="probe", roles=frozenset({VIEWER}))


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


class TokenHolder(msgspec.Struct, frozen=True, kw_only=True):
    """A token, as a digest, and who comes with it."""

    digest: bytes
    visitor: Visitor


class Gate:
    """Lets calls in or turns them back.

    Args:
        token: A bearer token that may do everything.
        holders: Further tokens.
        tokens: Knows those of an identity provider. Without any of these, loopback alone is admitted, and may do
            everything.
    """

    def __init__(
        self, token: str | None = None, holders: tuple[TokenHolder, ...] = (), tokens: VisitorTokens | None = None
    ) -> None:
        own = (hold_token(token, Visitor(name="token")),) if token else ()
        self._holders = own + holders
        self._tokens = tokens

    def admit(self, caller: Caller) -> Visitor:
        """Let a call in.

        Raises:
            GatewayError: It is turned back, for this reason.
            CallerPending: That cannot be told yet.
        """
        visitor = self._visitor(caller)
        if is_cross_site(caller):
            raise PermissionDenied("Calls from pages of other sites are refused.")
        return visitor

    def _visitor(self, caller: Caller) -> Visitor:
        if not self._holders and self._tokens is None:
            if not is_loopback_address(caller.peer):
                raise PermissionDenied("Without a token the operator plane answers to this machine only.")
            if not all(is_loopback_host(host) for host in caller.hosts):
                raise PermissionDenied("Without a token the Host header must name this machine's loopback.")
            return _LOCAL
        if caller.path in PROBES:
            return _PROBE
        found = self._holder(caller.authorization)
        if found is None:
            raise AuthenticationFailed("The operator plane needs its bearer token.")
        return found

    def _holder(self, authorization: str) -> Visitor | None:
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        digest = _digest(given.strip())
        found: Visitor | None = None
        for holder in self._holders:
            # All are compared, so that the time taken tells nothing of which.
            if hmac.compare_digest(holder.digest, digest):
                found = holder.visitor
        if found is None and self._tokens is not None:
            return self._tokens.visitor(given.strip())
        return found


def hold_token(token: str, visitor: Visitor) -> TokenHolder:
    """Make of a token what :class:`Gate` keeps of it."""
    return TokenHolder(digest=_digest(token), visitor=visitor)


def _digest(token: str) -> bytes:
    return hashlib.blake2b(token.encode("utf-8", "replace"), key=_PROCESS_KEY).digest()


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
