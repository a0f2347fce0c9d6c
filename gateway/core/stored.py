"""Names of answers that a provider keeps, with a seal: who keeps them, for whom, and that nobody else made it up.

The name that a client gets is the provider's own with a seal behind it. The seal says which provider keeps the answer
and under which model name it was asked for; its code proves that this gateway gave it to this caller. So nothing needs
to be remembered: a restarted gateway, another worker, another replica with the same key find the same provider.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error

import msgspec

from gateway.core.exchange import Principal

KEY_BYTES = 32
MAX_NAME_CHARS = 1_024
_CODE_BYTES = 12
_MARK = "."


class Opened(msgspec.Struct, frozen=True):
    """What a sealed name says.

    Attributes:
        name: The provider's own.
        provider: Who keeps the answer.
        model: As the client wrote it when it was made.
    """

    name: str
    provider: str
    model: str


class Seals:
    """Seals names and opens them.

    Args:
        key: At least :data:`KEY_BYTES` random bytes, the same wherever a name may come back.
    """

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.blake2b(key, digest_size=64, person=b"stored answers").digest()

    def seal(self, name: str, provider: str, model: str, principal: Principal) -> str:
        """Give the name for the client.

        Args:
            name: The provider's own.
            provider: Who keeps the answer.
            model: As the client wrote it.
            principal: For whom.
        """
        place = _place(provider, model)
        code = self._code(name, place, principal)
        return name + _MARK + urlsafe_b64encode(code + place).rstrip(b"=").decode()

    def open(self, sealed: str, principal: Principal) -> Opened | None:
        """Read a name that a client wrote; ``None`` when it was not given to this caller, whatever is wrong with it."""
        name, mark, tail = sealed.rpartition(_MARK)
        if not mark or len(sealed) > MAX_NAME_CHARS:
            return None
        try:
            raw = urlsafe_b64decode(tail + "=" * (-len(tail) % 4))
            code, place = raw[:_CODE_BYTES], raw[_CODE_BYTES:]
            # One spelling for each name: base64 has several for the last bits.
            if urlsafe_b64encode(raw).rstrip(b"=").decode() != tail:
                return None
            if not hmac.compare_digest(code, self._code(name, place, principal)):
                return None
            provider, _, model = place.partition(b"\0")
            return Opened(name, provider.decode(), model.decode())
        except (Error, ValueError):
            return None

    def _code(self, name: str, place: bytes, principal: Principal) -> bytes:
        code = hashlib.blake2b(digest_size=_CODE_BYTES, key=self._key)
        # Who is in a team may read what the team has made; who is in none has only what is his own.
        owner = ("team", principal.tenant, principal.team) if principal.team else ("key", principal.key_id)
        for part in (name.encode("utf-8", "surrogatepass"), place, *[each.encode() for each in owner]):
            code.update(len(part).to_bytes(4, "big") + part)
        return code.digest()


def _place(provider: str, model: str) -> bytes:
    return provider.encode() + b"\0" + model.encode()
