"""What a client holds: ``wb-``, the key's public name, a secret of 256 bits, and a checksum.

The public name says whose key was found in a log or a repository. The checksum tells a key from what only looks like
one: a scanner of secrets can do that offline.
"""

from __future__ import annotations

import re
from zlib import crc32

import msgspec

PREFIX = "wb-"
ID_BYTES, SECRET_BYTES = 8, 32
_ID_CHARS, _SECRET_CHARS, _CHECK_CHARS = 12, 43, 6
# Neither i, l, o nor u: names are read out loud and typed.
_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
TOKEN = re.compile(
    rf"wb-([{_BASE32}]{{{_ID_CHARS}}})-([0-9A-Za-z]{{{_SECRET_CHARS}}})([0-9A-Za-z]{{{_CHECK_CHARS}}})", re.ASCII
)


class Token(msgspec.Struct, frozen=True):
    """A token taken apart: whose it is, and its secret."""

    id: str
    secret: str


def make_id(entropy: bytes) -> str:
    """Make a public name of 60 of these 64 random bits."""
    return _digits(int.from_bytes(entropy, "big") >> 4, _BASE32, _ID_CHARS)


def make_token(key_id: str, entropy: bytes) -> str:
    """Write a token.

    Args:
        key_id: As :func:`make_id` makes them.
        entropy: 32 random bytes.
    """
    start = f"{PREFIX}{key_id}-{_digits(int.from_bytes(entropy, 'big'), _BASE62, _SECRET_CHARS)}"
    return start + _check(start)


def parse_token(text: str) -> Token | None:
    """Take a token apart; ``None`` when it is none."""
    match = TOKEN.fullmatch(text)
    if match is None or _check(text[:-_CHECK_CHARS]) != match[3]:
        return None
    return Token(match[1], match[2])


def _check(start: str) -> str:
    return _digits(crc32(start.encode()), _BASE62, _CHECK_CHARS)


def _digits(number: int, alphabet: str, count: int) -> str:
    digits: list[str] = []
    for _ in range(count):
        number, digit = divmod(number, len(alphabet))
        digits.append(alphabet[digit])
    return "".join(reversed(digits))
