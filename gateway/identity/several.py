"""Several ways to say who one is, in an order."""

from __future__ import annotations

from gateway.core.errors import AuthenticationFailed, StoreUnavailable
from gateway.core.exchange import Headers, Principal
from gateway.core.ports import Identity
from gateway.identity.mesh import NotBelieved


class SeveralIdentities:
    """Asks one after another; the first that knows the caller counts.

    Args:
        identities: In the order of the configuration.
    """

    __slots__ = ("_identities",)

    def __init__(self, identities: tuple[Identity, ...]) -> None:
        self._identities = identities

    def identify(self, headers: Headers, peer: str = "") -> Principal:
        """Find out who is calling.

        Raises:
            AuthenticationFailed: None of them knows, or one of them does not believe what is claimed.
            StoreUnavailable: One of them cannot tell, and none of the others knows.
        """
        refused: AuthenticationFailed | None = None
        untold: StoreUnavailable | None = None
        for identity in self._identities:
            try:
                return identity.identify(headers, peer)
            except NotBelieved:
                raise
            except AuthenticationFailed as error:
                refused = error
            except StoreUnavailable as error:
                untold = error
        raise untold or refused or AuthenticationFailed("You didn't provide an API key.")
