"""Folding: what every character comes to when only letters, digits and common signs of ASCII are looked for.

Unseen characters and combining marks go. Compatibility forms, letters with marks and look-alikes become the letters
that a reader sees. What has no such form stays. Each character is folded for itself, so a text is folded by one table
look-up a character, and the work on a character that was seen before is not done again.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache, partial

from gateway.guards.views.characters import ANSI, FILLER
from gateway.guards.views.confusables import LOOK_ALIKES
from gateway.guards.views.view import OffsetMap, View

# One character may not become a text.
_LONGEST = 6
# Ideographs and syllables stand for themselves; there are too many of them to ask each.
_AS_THEY_ARE = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff]")
# From here on there are only tags, variation selectors, private use and what is not assigned.
_NOTHING_BEHIND = "\U00040000"
_ESCAPE_SIGNS = ("\x1b", "\x9b", "\x9d")
# Up to this many different ones, replacing one after the other is faster than a table.
_FEW = 12
_NAMES = (
    re.compile(
        r"LATIN (?P<case>SMALL|CAPITAL) LETTER (?:DOTLESS |SCRIPT |TURNED |REVERSED |OPEN |LONG |INSULAR |SIDEWAYS )*"
        r"(?P<letter>[A-Z])(?: WITH .*)?"
    ),
    re.compile(r"LATIN LETTER (?P<case>SMALL) CAPITAL (?:TURNED |REVERSED |INVERTED )?(?P<letter>[A-Z])"),
    re.compile(r"MODIFIER LETTER (?P<case>SMALL|CAPITAL) (?:CAPITAL |TURNED |OPEN )*(?P<letter>[A-Z])(?: WITH .*)?"),
    re.compile(r"(?:CROSSED )?NEGATIVE (?:CIRCLED|SQUARED) LATIN (?P<case>SMALL|CAPITAL) LETTER (?P<letter>[A-Z])"),
    re.compile(r"REGIONAL INDICATOR SYMBOL (?P<case>)LETTER (?P<letter>[A-Z])"),
)


@lru_cache(maxsize=8192)
def plain_form(char: str) -> str:
    """Return what one character folds to; itself when it has no plainer form."""
    if char in LOOK_ALIKES:
        return LOOK_ALIKES[char]
    if _AS_THEY_ARE.match(char):
        return char
    category = unicodedata.category(char)
    if category[0] == "Z":
        return "\n" if category in ("Zl", "Zp") else " "
    if char.isspace():
        # Old separators of records and lines.
        return char if char in "\t\n\r\f" else " "
    if char in FILLER or category in ("Mn", "Me", "Cf", "Cc", "Cn", "Co"):
        return ""
    if char < "\x80":
        return char
    return _seen(char)


def _seen(char: str) -> str:
    decomposed = unicodedata.normalize("NFKD", char)
    bare = "".join(LOOK_ALIKES.get(each, each) for each in decomposed if unicodedata.category(each) != "Mn")
    if bare.isascii() and 0 < len(bare) <= _LONGEST:
        return bare
    name = unicodedata.name(char, "")
    for pattern in _NAMES:
        if found := pattern.fullmatch(name):
            return found["letter"] if found["case"] != "SMALL" else found["letter"].lower()
    digit = unicodedata.digit(char, None)
    if digit is not None:
        return str(digit)
    upper = LOOK_ALIKES.get(char.upper(), "")
    return upper.lower() if upper else char


# Western European prose is folded byte by byte; bytes that do not become exactly one character are left to the table.
_WESTERN = bytes(
    ord(form) if len(form := plain_form(chr(byte))) == 1 and form < "\x80" else byte for byte in range(256)
)
_NOT_WESTERN = bytes(byte for byte in range(256) if len(plain_form(chr(byte))) != 1)


def fold(view: View) -> View:
    """Return the folded view of a text, or the view itself when it is folded already."""
    text = view.text
    folded = western(text)
    if folded is not None:
        return view if folded == text else View("folded", folded, view)
    distinct = set(text)
    forms = {char: form for char in distinct if (form := plain_form(char) if char < _NOTHING_BEHIND else "") != char}
    if not forms:
        return view
    if len(forms) <= _FEW:
        folded = text
        for char, form in forms.items():
            folded = folded.replace(char, form)
    else:
        folded = text.translate({ord(char): forms.get(char, char) for char in distinct})
    odd = {char: form for char, form in forms.items() if len(form) != 1}
    return View("folded", folded, view, partial(_map, text, odd) if odd else None)


def western(text: str) -> str | None:
    """Return a text of Western European letters folded, or ``None`` when it holds anything else."""
    try:
        data = text.encode("latin-1")
    except UnicodeEncodeError:
        return None
    if len(data.translate(None, _NOT_WESTERN)) != len(data):
        return None
    return text if text.isascii() else data.translate(_WESTERN).decode("latin-1")


def _map(text: str, odd: dict[str, str]) -> OffsetMap:
    gone = re.escape("".join(char for char, form in odd.items() if not form))
    grown = re.escape("".join(char for char, form in odd.items() if form))
    pattern = "|".join([f"[{gone}]+"] * bool(gone) + [f"[{grown}]"] * bool(grown))
    return OffsetMap(
        (found.start(), found.end(), len(odd[text[found.start()]]), 0) for found in re.finditer(pattern, text)
    )


def strip_escapes(view: View) -> View:
    """Return a text without a terminal's escape sequences, or the view itself when it has none."""
    if not any(sign in view.text for sign in _ESCAPE_SIGNS):
        return view
    text = ANSI.sub("", view.text)
    if len(text) == len(view.text):
        return view
    return View("folded", text, view, lambda: OffsetMap((*found.span(), 0, 0) for found in ANSI.finditer(view.text)))


def western_letters(text: str) -> str:
    """Return a text with Western European letters folded and every other character beyond ASCII as a question mark.

    It has as many characters as the text.
    """
    folded = text.encode("latin-1", "replace").translate(_WESTERN).decode("latin-1")
    return folded.encode("ascii", "replace").decode("ascii")
