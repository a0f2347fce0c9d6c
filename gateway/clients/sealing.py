"""What workers of one gateway leave for each other where others could read it: sealed with a key that only they have.

The key is made when this module is loaded, which is before workers are forked, lives in memory only, and ends with the
gateway. Sealing is AES-256-GCM of the package ``cryptography``, which is loaded when something is sealed first.
"""

from __future__ import annotations

import os
from hashlib import blake2b

_KEY_BYTES, _NONCE_BYTES = 32, 12


class Seal:
    """Seals and opens.

    Args:
        key: 32 bytes.

    Attributes:
        name: Tells one key from another, and nothing of it.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.name = blake2b(key, digest_size=16, person=b"wb-seal-name").digest()

    def seal(self, text: bytes, about: bytes) -> bytes:
        """Seal bytes; who opens them has to know what they are about."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(self._key).encrypt(nonce, text, about)

    def open(self, sealed: bytes, about: bytes) -> bytes | None:
        """Open what was sealed; ``None`` where it was not sealed by this key, about this, or was changed."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            return AESGCM(self._key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about)
        except (InvalidTag, ValueError):
            return None


# Of this gateway and all its workers.
OURS = Seal(os.urandom(_KEY_BYTES))
