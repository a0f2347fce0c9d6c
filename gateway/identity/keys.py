"""Virtual keys: a secret in a header to a Principal."""

from __future__ import annotations

import hmac

from gateway.core.errors import AuthenticationFailed, StoreUnavailable
from gateway.core.exchange import Headers, Principal
from gateway.core.keys import DeclaredKey, digest_secret
from gateway.identity.credential import read_credential
from gateway.identity.key_table import KeyTable

_MAX_SECRET_BYTES = 512
_REFUSED = "Incorrect API key provided."


class KeyIdentity:
    """Knows callers by their keys.

    Args:
        table: The keys. When it changes, another identity takes this one's place, so that what connections remember
            of it counts no more.
    """

    __slots__ = ("_holders", "_table")

    def __init__(self, table: KeyTable) -> None:
        self._table = table
        self._holders = table.holders

    @classmethod
    def of(cls, keys: tuple[DeclaredKey, ...], pepper: bytes) -> KeyIdentity:
        """Make one that knows these keys for ever."""
        table = KeyTable(pepper)
        table.declare(keys, 0.0)
        return cls(table)

    def identify(self, headers: Headers, peer: str = "") -> Principal:
        """Find out who is calling.

        Raises:
            AuthenticationFailed: No key, two different ones, or one that is unknown, has ended or was taken back: of
                these nobody learns which.
            StoreUnavailable: Nobody can say yet which keys there are.
        """
        secret, consumed = read_credential(headers)
        if not secret:
            raise AuthenticationFailed("You didn't provide an API key.")
        if len(secret) > _MAX_SECRET_BYTES:
            raise AuthenticationFailed(_REFUSED)
        digest = digest_secret(secret, self._table.pepper)
        # The dictionary compares digests under a key that nobody outside knows, so its timing tells nothing of a
        # secret; the comparison after it is for whoever changes that one day.
        known = self._holders.get(digest)
        if known is None or not hmac.compare_digest(known[0], digest):
            if not self._table.known:
                raise StoreUnavailable("The keys cannot be read at the moment.", retry_after_s=2)
            raise AuthenticationFailed(_REFUSED)
        return known[1].principal(consumed)
