"""Stretches that are a text in another notation: Base64, Base32, hexadecimal, lists of character codes.

A candidate must decode, and what comes out must be text. Where a blob is cut off or has something wrong in the middle,
what can be read of it is read.
"""

from __future__ import annotations

import binascii
import re
from base64 import b32decode
from collections.abc import Callable

from gateway.guards.views.rewriting import Rewritten, rewrite
from gateway.guards.views.view import Piece, View

# Lines of a mail body may follow each other. A group never begins inside a longer run of the same characters.
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{12,}+(?:\r?\n[ \t]{0,8}[A-Za-z0-9+/_-]{4,}+)*+={0,2}")
_BASE32 = re.compile(r"(?<![A-Za-z0-9])(?:[A-Z2-7]{16,}+|[a-z2-7]{16,}+)={0,6}")
_HEX = re.compile(r"(?<![A-Za-z0-9])(?:0x)?[0-9a-fA-F]{2}(?:[ :,-]{0,2}(?:0x)?[0-9a-fA-F]{2}(?![G-Zg-z])){7,}+")
_CODES = re.compile(r"(?<![0-9])[01]{8}(?:[ ,]?[01]{8}){3,}+|(?<![0-9])[0-9]{2,3}(?:[ ,;]{1,2}[0-9]{2,3}){7,}+")
_NOT_HEX = re.compile(r"0x|[^0-9a-fA-F]")
_DIGITS = re.compile(r"[0-9]+")
_WHITE = re.compile(r"\s+")
_TO_STANDARD = str.maketrans("-_", "+/")
# The first bytes tell text from anything else.
_SAMPLE_CHARS = 64
_LEAST_CHARS = 6
_PRINTABLE = 0.9
_Decode = Callable[[str], "str | None"]


def base64(view: View) -> Rewritten:
    """Return what the Base64 in a text says, in the standard or the URL's alphabet, UTF-8 or UTF-16."""
    return _all(view, "base64", _BASE64, _from_base64)


def base32(view: View) -> Rewritten:
    """Return what the Base32 in a text says."""
    return _all(view, "base32", _BASE32, _from_base32)


def hexadecimal(view: View) -> Rewritten:
    """Return what bytes in hexadecimal say, with or without something between them."""
    return _all(view, "hex", _HEX, _from_hex)


def codes(view: View) -> Rewritten:
    """Return what lists of binary or decimal character codes say."""
    return _all(view, "codes", _CODES, _from_codes)


def readable(data: bytes) -> str | None:
    """Return bytes as text, or ``None`` when they are none."""
    if data[1:64:2].count(0) > len(data[1:64:2]) * _PRINTABLE:
        text = data.decode("utf-16-le", "replace")
    else:
        try:
            text = data.decode()
        except UnicodeDecodeError as problem:
            # What was cut off inside a character.
            if problem.start < len(data) - 3:
                return None
            text = data[: problem.start].decode()
    shown = text.translate(_BLANKS)
    if shown.isprintable():
        return text if len(text) >= _LEAST_CHARS else None
    printable = sum(char.isprintable() for char in shown)
    return text if printable >= len(text) * _PRINTABLE and len(text) >= _LEAST_CHARS else None


# Counted as text; so are tags and selectors, which may be what is hidden.
_BLANKS = dict.fromkeys(map(ord, "\t\n\r\f\u200b\u200c\u200d\u2060\ufeff"), " ")


def _all(view: View, kind: str, pattern: re.Pattern[str], decode: _Decode) -> Rewritten:
    def replace(found: re.Match[str]) -> tuple[str, list[Piece]] | None:
        text = decode(found.group())
        if text is None:
            return None
        return text + "\n", [(*found.span(), len(text) + 1, 0)]

    made = rewrite(view, kind, pattern, replace, sparse=True)
    if made.view is not None:
        made.view.depth = view.depth + 1
    return made


def _from_base64(blob: str) -> str | None:
    blob = _WHITE.sub("", blob).rstrip("=").translate(_TO_STANDARD)
    sample = _base64_bytes(blob[:_SAMPLE_CHARS])
    if sample is None or readable(sample) is None:
        return None
    data = _base64_bytes(blob) if len(blob) > _SAMPLE_CHARS else sample
    return readable(data) if data is not None else None


def _base64_bytes(blob: str) -> bytes | None:
    # One letter too many carries no byte.
    blob = blob[:-1] if len(blob) % 4 == 1 else blob
    try:
        return binascii.a2b_base64(blob + "=" * (-len(blob) % 4))
    except binascii.Error:
        return None


def _from_base32(blob: str) -> str | None:
    blob = blob.rstrip("=").upper()
    # 1, 3 and 6 letters in the last group of eight say nothing.
    while len(blob) % 8 in (1, 3, 6):
        blob = blob[:-1]
    sample = readable(b32decode(blob[:_SAMPLE_CHARS] + "=" * (-len(blob[:_SAMPLE_CHARS]) % 8)))
    if sample is None or len(blob) <= _SAMPLE_CHARS:
        return sample
    return readable(b32decode(blob + "=" * (-len(blob) % 8)))


def _from_hex(blob: str) -> str | None:
    digits = _NOT_HEX.sub("", blob)
    return readable(bytes.fromhex(digits[: len(digits) // 2 * 2]))


def _from_codes(blob: str) -> str | None:
    numbers = _DIGITS.findall(blob)
    if set("".join(numbers)) <= {"0", "1"}:
        bits = "".join(numbers)
        return readable(int(bits, 2).to_bytes(len(bits) // 8, "big"))
    values = [int(number) for number in numbers]
    return readable(bytes(values)) if max(values) < 256 else None
