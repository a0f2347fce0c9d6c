r"""JSON that every parser reads the same way, or none: what was inspected is what is sent.

A body is parsed once to be inspected and mostly sent on as the bytes that came. Two parsers that read it differently
would let the provider see what no guard saw, so a body that leaves room for that is refused. orjson itself refuses
invalid UTF-8, a byte order mark, NaN and Infinity, numbers too large for a double, lone surrogates as escapes, raw
control characters, trailing bytes and an empty body. What it lets through and this module does not: duplicate keys,
integers beyond 64 bits, nesting below :data:`MAX_DEPTH`.

**Duplicate keys.** Let *c* be how many colons a document has: one a member of an object, and one for each colon inside
a key or a string. Outside strings a colon stands only between a key and its value, so the colons that the bytes of a
body show, raw or as ``\u003a``, are exactly the *c* of the document with every member in it. orjson keeps the last
member of a name and drops the others; each dropped one takes at least its own colon along, and nothing that is kept
loses one. So the colons of the body equal those of what was parsed if, and only if, nothing was dropped. orjson
never writes a colon as an escape, so counting bytes in its own output gives the second figure. A ``\u003a`` counts
as a colon when its backslash is not itself escaped; backslashes stand in strings only, and a run of them pairs up
from the left, so blanking ``\\`` from the left leaves the true escapes.

**Numbers.** Integers from -2^63 to 2^64-1 are exact. orjson turns larger ones into floats where others keep every
digit: refused. Fractions and exponents are doubles for everybody (RFC 8259 §6) and are left alone.

A body that is, byte for byte, what orjson would write needs neither check: it has no duplicate and no changed number.
Official clients send that form.
"""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from gateway.core.errors import MalformedRequest

# Containers within containers that orjson is able to write again; what could not be edited is not accepted.
MAX_DEPTH = 254

# Digits become "0", a minus stays, everything else becomes NUL: runs of digits can then be found in one search.
_DIGITS = bytes(0x30 if 0x30 <= byte <= 0x39 else (0x2D if byte == 0x2D else 0) for byte in range(256))
_POSITIVE_RUN = b"0" * 20
_NEGATIVE_RUN = b"-" + b"0" * 19


def parse_body(body: bytes) -> Any:
    """Parse a request body.

    Args:
        body: The bytes as they came.

    Returns:
        The document: dict, list, str, int, float, bool or ``None``. Writing it anew loses nothing but white space,
        the choice of escapes and the spelling of fractions.

    Raises:
        MalformedRequest: The body is no JSON, or JSON that two parsers could read differently.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedRequest(_why(body, error)) from None
    try:
        canonical = orjson.dumps(document)
    except orjson.JSONEncodeError:
        raise MalformedRequest(f"The body is nested deeper than {MAX_DEPTH} levels.") from None
    if canonical != body:
        if _colons(body) != canonical.count(b":"):
            raise MalformedRequest("The body has a duplicate key in one of its objects.")
        _refuse_wide_integers(body)
    return document


def _why(body: bytes, error: orjson.JSONDecodeError) -> str:
    if not body:
        return "The body is empty; a JSON document is expected."
    return f"The body is not valid JSON: {error}."


def _colons(body: bytes) -> int:
    """Count the colons of valid JSON, those written as escapes included."""
    count = body.count(b":")
    if b"\\u003" in body:
        # Blanks of the same length, so that nothing left and right of a pair grows together into an escape.
        plain = body.replace(b"\\\\", b"  ")
        count += plain.count(b"\\u003a") + plain.count(b"\\u003A")
    return count


def _refuse_wide_integers(body: bytes) -> None:
    runs = body.translate(_DIGITS)
    if _POSITIVE_RUN not in runs and _NEGATIVE_RUN not in runs:
        return
    # The run may lie in a string or a fraction. msgspec keeps integers of any width, and orjson will not write them.
    try:
        orjson.dumps(msgspec.json.decode(body))
    except (orjson.JSONEncodeError, msgspec.DecodeError):
        raise MalformedRequest("The body has an integer beyond 64 bits; send it as a string.") from None
