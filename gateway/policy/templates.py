"""Made-up and disguised text in policy tests: ``ghp_{{rand:36}}``, ``{{b64:ignore all that}}``.

A secret written out would set off every scanner of a repository, and an invisible character would be lost in an editor.
What a test makes up depends on its name alone, so a test that passes today passes tomorrow.
"""

from __future__ import annotations

import base64
import codecs
import hashlib
import re
import string
from collections.abc import Callable
from urllib.parse import quote

_TEMPLATE = re.compile(r"\{\{([A-Za-z0-9_]{1,20}):([^{}]{1,2000})\}\}")
_ALPHABETS = {
    "rand": string.ascii_letters + string.digits,
    "upper": string.ascii_uppercase,
    "lower": string.ascii_lowercase,
    "digits": string.digits,
    "hex": "0123456789abcdef",
    "base58": "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz",
    "base64": string.ascii_letters + string.digits + "+/",
}
_MAX_CHARS = 4096
_NUMBER = re.compile(r"[0-9]{1,6}")
_ZERO_WIDTH = "\u200b"
_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
_LEET = str.maketrans("aeiostl", "4310571")


def _tags(text: str) -> str:
    if not text.isascii():
        raise ValueError("tags stand for ASCII only")
    return "".join(chr(0xE0000 + ord(char)) for char in text)


_DISGUISES: dict[str, Callable[[str], str]] = {
    "tags": _tags,
    "zw": _ZERO_WIDTH.join,
    "b64": lambda text: base64.b64encode(text.encode()).decode(),
    "hexof": lambda text: text.encode().hex(),
    "url": lambda text: quote(text, safe=""),
    "wide": lambda text: text.translate(_FULL_WIDTH),
    "leet": lambda text: text.translate(_LEET),
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "reversed": lambda text: text[::-1],
    "spaced": " ".join,
}


class Templates:
    """Expands templates, each to something else.

    Args:
        seed: Decides what is made up.
    """

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._count = 0

    def expand(self, text: str) -> str:
        """Replace every template in a text.

        Raises:
            ValueError: A template is of no known kind, or makes up too much.
        """
        return _TEMPLATE.sub(self._make, text)

    def _make(self, match: re.Match[str]) -> str:
        kind, argument = match[1], match[2]
        disguise = _DISGUISES.get(kind)
        if disguise is not None:
            return disguise(argument)
        if not _NUMBER.fullmatch(argument):
            # Braces of somebody else's template language.
            return match[0]
        alphabet = _ALPHABETS.get(kind)
        if alphabet is None:
            raise ValueError(f"no template is called '{kind}'; there are {', '.join((*_ALPHABETS, *_DISGUISES))}")
        length = int(argument)
        if not 1 <= length <= _MAX_CHARS:
            raise ValueError(f"a template makes up 1 to {_MAX_CHARS} characters")
        self._count += 1
        source = hashlib.shake_256(f"{self._count}:{self._seed}".encode()).digest(length)
        return "".join(alphabet[byte % len(alphabet)] for byte in source)
