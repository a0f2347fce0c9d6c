"""Names that others vouch for: what a token or a certificate may say of a caller, character by character.

They end up in records, metrics, limits and queries. All of these quote properly; what could be taken for anything but
a name is refused all the same.
"""

from __future__ import annotations

import re

MAX_NAME_CHARS = 256
# Letters of any script, digits, and what identity providers put into names; no quote, no bracket of markup, no
# separator of lists or statements, nothing that ends a line.
_NAME = re.compile(r"[\w][\w .@:/|+=~#()&-]*")


def is_name(value: object) -> bool:
    """Whether a value is a text that may name somebody."""
    return isinstance(value, str) and len(value) <= MAX_NAME_CHARS and _NAME.fullmatch(value) is not None
