"""Virtual keys declared in the configuration: a secret in a header to a Principal."""

from __future__ import annotations

import hmac

from gateway.core.errors import AuthenticationFailed
from gateway.core.exchange import Headers, Principal
from gateway.core.keys import DeclaredKey, digest_secret
from gateway.identity.credential import read_credential

_MAX_SECRET_BYTES = 512
_REFUSED = "Incorrect API key provided."


class KeyIdentity:
    """Knows callers by the keys of the configuration.

    Args:
        keys: What the configuration declares.
        process_key: The random key under which the keys' digests were made.
    """

    __slots__ = ("_known", "_process_key")

    def __init__(self, keys: tuple[DeclaredKey, ...], process_key: bytes) -> None:
        self._process_key = process_key
        self._known = {key.digest: (key.digest, _Holder(key)) for key in keys}

    def identify(self, headers: Headers, peer: str = "") -> Principal:
        """Find out who is calling.

        Raises:
            AuthenticationFailed: No key, an unknown one, or two different ones.
        """
        secret, consumed = read_credential(headers)
        if not secret:
            raise AuthenticationFailed("You didn't provide an API key.")
        if len(secret) > _MAX_SECRET_BYTES:
            raise AuthenticationFailed(_REFUSED)
        digest = digest_secret(secret, self._process_key)
        # The dictionary compares digests under a key that nobody outside knows, so its timing tells nothing of a
        # secret; the comparison after it is for whoever changes that one day.
        known = self._known.get(digest)
        if known is None or not hmac.compare_digest(known[0], digest):
            raise AuthenticationFailed(_REFUSED)
        return known[1].principal(consumed)


class _Holder:
    """One key's principals, by the headers that carried the key: at most fifteen."""

    __slots__ = ("_by_headers", "_key")

    def __init__(self, key: DeclaredKey) -> None:
        self._key = key
        self._by_headers: dict[bytes | tuple[bytes, ...], Principal] = {}

    def principal(self, consumed: bytes | tuple[bytes, ...]) -> Principal:
        found = self._by_headers.get(consumed)
        if found is None:
            key = self._key
            found = self._by_headers[consumed] = Principal(
                key_id=key.id,
                tenant=key.tenant,
                team=key.team,
                tags=key.tags,
                models=key.models,
                consumed=frozenset((consumed,) if isinstance(consumed, bytes) else consumed),
            )
        return found
