"""Callers whose certificate a proxy of the mesh has seen: what it says of them is believed of named peers alone.

The header counts only where it comes from: the address of the connection, which nobody can choose. From anybody else
it is an attempt to be somebody else, and the call is refused, whatever it brings besides. Of several elements the last
is believed: that is what the peer itself saw; those before it are what it was told.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from gateway.core.errors import AuthenticationFailed, MalformedRequest
from gateway.core.exchange import Headers, Principal
from gateway.core.spiffe import SpiffePattern, fill, is_spiffe_id
from gateway.core.trust import MeshTrust, SpiffeRule
from gateway.core.vouched import is_name
from gateway.wire.client_cert import HEADER, parse_client_certs

MAX_REMEMBERED = 10_000
_CONSUMED = frozenset({HEADER})
_REFUSED = "The client certificate is not accepted."


class NotBelieved(AuthenticationFailed):
    """Somebody claims to be somebody: no other way to say who they are is looked at."""


class MeshIdentity:
    """Knows callers by what peers say of their certificates.

    Args:
        trust: Who the peers are, and what certificates mean.
    """

    __slots__ = ("_networks", "_peers", "_remembered", "_rules")

    def __init__(self, trust: MeshTrust) -> None:
        self._networks = tuple(ip_network(peer) for peer in trust.peers)
        self._rules = tuple((SpiffePattern(rule.match), rule) for rule in trust.rules)
        self._remembered: dict[bytes, Principal] = {}
        self._peers: dict[str, bool] = {}

    def identify(self, headers: Headers, peer: str = "") -> Principal:
        """Find out who is calling.

        Raises:
            NotBelieved: The header comes from somebody who is no peer, cannot be read, or names nobody we know.
            AuthenticationFailed: There is no such header.
        """
        value = headers.get(HEADER)
        if value is None:
            raise AuthenticationFailed("No client certificate was forwarded.")
        if not self._is_peer(peer):
            raise NotBelieved(_REFUSED)
        found = self._remembered.get(value)
        if found is None:
            found = self._read(value)
            if len(self._remembered) >= MAX_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[value] = found
        return found

    def _is_peer(self, peer: str) -> bool:
        host = _host(peer)
        known = self._peers.get(host)
        if known is None:
            known = self._judge(host)
            if len(self._peers) >= MAX_REMEMBERED:
                del self._peers[next(iter(self._peers))]
            self._peers[host] = known
        return known

    def _judge(self, host: str) -> bool:
        try:
            address = ip_address(host)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)

    def _read(self, value: bytes) -> Principal:
        try:
            ids = parse_client_certs(value)[-1].get("uri", ())
        except MalformedRequest:
            raise NotBelieved(_REFUSED) from None
        # A certificate of SPIFFE's has one such name and no other.
        if len(ids) != 1 or not is_spiffe_id(ids[0]):
            raise NotBelieved(_REFUSED)
        for pattern, rule in self._rules:
            parts = pattern.match(ids[0])
            if parts is not None:
                return _principal(rule, ids[0], parts)
        raise NotBelieved(_REFUSED)


def _principal(rule: SpiffeRule, spiffe_id: str, parts: dict[str, str]) -> Principal:
    key_id, team, tenant = (fill(template, parts) for template in (rule.key_id, rule.team, rule.tenant))
    tags = {tag: fill(value, parts) for tag, value in rule.tags.items()}
    # An id is longer than a name may be, and could leave nothing of one.
    if not all(is_name(name) for name in (key_id or spiffe_id, team or "-", tenant or "-", *tags.values())):
        raise NotBelieved(_REFUSED)
    return Principal(
        key_id=key_id or spiffe_id, team=team, tenant=tenant, tags=tags, models=rule.models, consumed=_CONSUMED
    )


def _host(peer: str) -> str:
    """The address of ``host:port``; of IPv6 without brackets too, as listeners write it."""
    return peer.rpartition(":")[0].strip("[]").partition("%")[0]
