"""Addresses of digital coins: Base58Check, Bech32, and the mixed case of Ethereum."""

from __future__ import annotations

import hashlib

_BASE58 = {char: value for value, char in enumerate("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")}
_BECH32 = {char: value for value, char in enumerate("qpzry9x8gf2tvdw0s3jn54khce6mua7l")}
_POLYMOD = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
# Bitcoin, Litecoin, Dogecoin, Dash, Tron.
_VERSIONS = frozenset((0, 5, 48, 50, 30, 22, 76, 16, 65))
_LANE = (1 << 64) - 1
_RATE = 136
_ROUNDS = (
    0x0000000000000001, 0x0000000000008082, 0x800000000000808A, 0x8000000080008000, 0x000000000000808B,
    0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008A, 0x0000000000000088,
    0x0000000080008009, 0x000000008000000A, 0x000000008000808B, 0x800000000000008B, 0x8000000000008089,
    0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800A, 0x800000008000000A,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
)  # fmt: skip
# Where each lane goes, and how far it is turned on the way.
_MOVES = (
    (10, 1), (7, 3), (11, 6), (17, 10), (18, 15), (3, 21), (5, 28), (16, 36), (8, 45), (21, 55), (24, 2), (4, 14),
    (15, 27), (23, 41), (19, 56), (13, 8), (12, 25), (2, 43), (20, 62), (14, 18), (22, 39), (9, 61), (6, 20), (1, 44),
)  # fmt: skip


def base58(text: str) -> bool:
    """Whether an address in Base58Check is whole: a version that is in use, and four bytes of SHA-256 twice over."""
    number = 0
    for char in text:
        value = _BASE58.get(char)
        if value is None:
            return False
        number = number * 58 + value
    if number >> 200:
        return False
    data = number.to_bytes(25, "big")
    return data[0] in _VERSIONS and hashlib.sha256(hashlib.sha256(data[:21]).digest()).digest()[:4] == data[21:]


def bech32(text: str) -> bool:
    """Whether an address in Bech32 or Bech32m is whole; it is in small letters or in capital ones."""
    if text not in {text.lower(), text.upper()}:
        return False
    prefix, _, data = text.lower().partition("1")
    values = [_BECH32.get(char, -1) for char in data]
    if min(values) < 0:
        return False
    check = 1
    for value in (*(ord(char) >> 5 for char in prefix), 0, *(ord(char) & 31 for char in prefix), *values):
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, term in enumerate(_POLYMOD):
            if top >> bit & 1:
                check ^= term
    return check in {1, 0x2BC830A3}


def ethereum(text: str) -> bool:
    """Whether the case of an address's letters is the checksum that it should be."""
    digits = text[2:]
    lower = digits.lower()
    if digits in {lower, digits.upper()}:
        return False
    marks = keccak_256(lower.encode()).hex()
    return all(
        char == (char.upper() if mark > "7" else char.lower()) for char, mark in zip(digits, marks, strict=False)
    )


def hexadecimal(text: str) -> bool:
    """Whether an address of Ethereum is more than one digit over and over."""
    return len(set(text[2:])) > 4


def keccak_256(data: bytes) -> bytes:
    """Keccak as Ethereum has it, of at most 135 bytes; SHA-3 pads otherwise."""
    block = bytearray(data.ljust(_RATE, b"\0"))
    block[len(data)] ^= 0x01
    block[_RATE - 1] ^= 0x80
    lanes = [int.from_bytes(block[at : at + 8], "little") for at in range(0, _RATE, 8)] + [0] * 8
    for constant in _ROUNDS:
        _keccak_round(lanes, constant)
    return b"".join([lane.to_bytes(8, "little") for lane in lanes[:4]])


def _keccak_round(a: list[int], constant: int) -> None:
    c0, c1, c2, c3, c4 = (a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20] for x in range(5))
    d = (
        c4 ^ ((c1 << 1 | c1 >> 63) & _LANE),
        c0 ^ ((c2 << 1 | c2 >> 63) & _LANE),
        c1 ^ ((c3 << 1 | c3 >> 63) & _LANE),
        c2 ^ ((c4 << 1 | c4 >> 63) & _LANE),
        c3 ^ ((c0 << 1 | c0 >> 63) & _LANE),
    )
    for at in range(25):
        a[at] ^= d[at % 5]
    moved = a[1]
    for to, turn in _MOVES:
        moved, a[to] = a[to], (moved << turn | moved >> (64 - turn)) & _LANE
    for at in range(0, 25, 5):
        b0, b1, b2, b3, b4 = a[at : at + 5]
        a[at : at + 5] = (
            b0 ^ (~b1 & b2), b1 ^ (~b2 & b3), b2 ^ (~b3 & b4), b3 ^ (~b4 & b0), b4 ^ (~b0 & b1),
        )  # fmt: skip
    a[0] ^= constant
