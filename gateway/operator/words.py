r"""Words in captured bodies: how a search is read, and how it is asked of the index.

The index holds words: letters and digits in a row, in lower case. Bodies are JSON: ``\n`` before a word is no part of
it, and a letter may be written as ``\u00e9`` as well as ``é``: the index has ``u00e9`` as a word then, and both
spellings are looked for. Where a language
writes words without spaces between them, what stands there is looked for as it is, which reads the bodies themselves.
"""

from __future__ import annotations

import re
import unicodedata

import msgspec

from gateway.core.errors import MalformedRequest

MOST_WORDS = 16

# As the index was made (migration 0015): a statement that writes it in another way reads every body.
INDEXED = (
    r"""lowerUTF8(replaceRegexpAll(concat(ifNull(request_body, ''), ' ', ifNull(response_body, '')),"""
    r""" '\\\\(?:[nrtbf]|\\\\|u20[0-6][0-9a-fA-F]|(u[0-9a-fA-F]{4}))|[“”‘’«»…—–]', ' \\1 '))"""
)
_ASKED = re.compile(r'"([^"]*)"|(\S+)')
# What the engine takes for a word: ASCII letters and digits, and everything beyond ASCII.
_TOKEN = re.compile(r"[0-9a-z\u0080-\U0010ffff]+")
_MARKS = re.compile(r"[“”‘’«»…—–]")
_SPECIAL = re.compile(r"([\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e])")
_UNBROKEN = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")


class Words(msgspec.Struct, frozen=True):
    """What is looked for: every one of these must be there, each in one of its spellings, all in lower case."""

    wanted: tuple[tuple[str, ...], ...]


def read_words(text: str) -> Words:
    """Read a search: words, and phrases in double quotes.

    Raises:
        MalformedRequest: There is nothing to look for, or too much.
    """
    wanted: list[tuple[str, ...]] = []
    for quoted, plain in _ASKED.findall(text):
        said = " ".join(_MARKS.sub(" ", quoted or plain).split())
        if _tokens(said.lower()):
            wanted.append(_spellings(said))
    wanted = list(dict.fromkeys(wanted))
    if not wanted:
        raise MalformedRequest("'text' holds no word to look for.", param="text")
    if len(wanted) > MOST_WORDS:
        raise MalformedRequest(f"'text' takes at most {MOST_WORDS} words and phrases.", param="text")
    return Words(tuple(wanted))


def found_in(words: Words) -> tuple[str, dict[str, str]]:
    """Write a search as a condition on ``bodies``, with its bound values."""
    params: dict[str, str] = {}
    every: list[str] = []
    for number, spellings in enumerate(words.wanted):
        ways = [_found(spelling, f"w{number}_{at}", params) for at, spelling in enumerate(spellings)]
        every.append(ways[0] if len(ways) == 1 else f"({' OR '.join(ways)})")
    return " AND ".join(every), params


def _found(spelling: str, name: str, params: dict[str, str]) -> str:
    tokens = _tokens(spelling)
    conditions: list[str] = []
    if not _unbroken(spelling):
        listed: list[str] = []
        for at, token in enumerate(tokens):
            params[f"{name}_{at}"] = token
            listed.append(f"{{{name}_{at}:String}}")
        conditions.append(f"hasAllTokens({INDEXED}, [{', '.join(listed)}])")
    if tokens != [spelling] or not conditions:
        conditions.append(_as_it_is(spelling, name, params))
    return conditions[0] if len(conditions) == 1 else f"({' AND '.join(conditions)})"


def _as_it_is(spelling: str, name: str, params: dict[str, str]) -> str:
    pieces = spelling.split(" ")
    if len(pieces) == 1:
        params[name] = spelling
        return f"position({INDEXED}, {{{name}:String}}) > 0"
    params[name] = r"\s+".join(_SPECIAL.sub(r"\\\1", piece) for piece in pieces)
    return f"match({INDEXED}, {{{name}:String}})"


def _spellings(said: str) -> tuple[str, ...]:
    """As it is, and as JSON may write it; of which the case of letters beyond ASCII is another spelling each."""
    cases = (said, said.lower(), said.upper(), said.title())
    escaped = (_escaped(each) for each in cases) if not said.isascii() else ()
    return tuple(dict.fromkeys((said.lower(), *escaped)))


def _escaped(said: str) -> str:
    units = said.encode("utf-16-be")
    codes = (int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2))
    return " ".join("".join(chr(code).lower() if code < 128 else f" u{code:04x} " for code in codes).split())


def _tokens(said: str) -> list[str]:
    return _TOKEN.findall(said)


def _unbroken(said: str) -> bool:
    """Holds letters of a script that writes words without spaces between them."""
    return any(not letter.isascii() and unicodedata.name(letter, "").startswith(_UNBROKEN) for letter in said)
