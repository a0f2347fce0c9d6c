"""Made-up text in policy tests: ``ghp_{{rand:36}}``. A secret written out would set off every scanner of a repository.

What a test makes up depends on its name alone, so a test that passes today passes tomorrow.
"""

from __future__ import annotations

import hashlib
import re
import string

_TEMPLATE = re.compile(r"\{\{([A-Za-z0-9_]{1,20}):([0-9]{1,6})\}\}")
_ALPHABETS = {
    "rand": string.ascii_letters + string.digits,
    "upper": string.ascii_uppercase,
    "digits": string.digits,
}
_MAX_CHARS = 4096


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
        kind, length = match[1], int(match[2])
        alphabet = _ALPHABETS.get(kind)
        if alphabet is None:
            raise ValueError(f"no template is called '{kind}'; there are {', '.join(_ALPHABETS)}")
        if not 1 <= length <= _MAX_CHARS:
            raise ValueError(f"a template makes up 1 to {_MAX_CHARS} characters")
        self._count += 1
        source = hashlib.shake_256(f"{self._count}:{self._seed}".encode()).digest(length)
        return "".join(alphabet[byte % len(alphabet)] for byte in source)
