"""Characters that nobody sees: they hide text from a reader, and rules from a text.

Where such a character is part of writing, it stays: the joiner inside an emoji, the variation selector that gives one
its colour, the tags of a flag, joiners in Arabic and Indic scripts, direction marks beside letters that run from right
to left, variants of ideographs. A run of others of one class is one finding, and what is offered in its place is
nothing. A stream holds a run until it ends; what it holds would not be seen anyway.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator

from gateway.core.errors import Misconfigured
from gateway.core.verdict import DetectorSpec
from gateway.guards.views.characters import CLASSES, PRIVATE_USE
from gateway.plugin.guard import Finding

_ZWNJ, _ZWJ, _EMOJI_STYLE = "\u200c", "\u200d", "\ufe0f"
_EMOJI = re.compile(
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u24c2\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff"
    "\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
)
_IDEOGRAPH = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
# Scripts whose letters join, or stack, and whose joiners say which of the two.
_JOINING = re.compile("[\u0620-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u18af\ua840-\ua87f\ua8e0-\uabff\ufb50-\ufefc]")
_VIRAMA = 9
_MONGOLIAN = re.compile("[\u1820-\u18aa]")
_MONGOLIAN_SELECTORS = "\u180b\u180c\u180d\u180f"
_BRAILLE = re.compile("[\u2801-\u28ff]")
_MARKS = "\u200e\u200f\u061c"
# Flags of parts of a country: the only ones that are made of tags.
_FLAG = "\U0001f3f4"
_FLAG_TAGS = tuple(
    "".join(chr(0xE0000 + ord(char)) for char in code) + "\U000e007f" for code in ("gbeng", "gbsct", "gbwls")
)
_CONTROLS = bytes(byte for byte in range(128) if re.match(f"[{CLASSES['control']}]", chr(byte)))
_PRIVATE = re.compile(f"[{PRIVATE_USE}]")


def _members() -> dict[str, str]:
    """Return the class of every character but those for private use, of which there are too many."""
    named: dict[str, str] = {}
    for name, written in CLASSES.items():
        if name != "private_use":
            for first, last in re.findall("(.)(?:-(.))?", written, re.DOTALL):
                named |= dict.fromkeys(map(chr, range(ord(first), ord(last or first) + 1)), name)
    return named


_CLASS_OF = _members()


class UnicodeDetector:
    """Finds unseen characters.

    Attributes:
        name: As rules call it.
        reach: The longest part of writing that is looked back for: a flag.

    Args:
        name: As rules call it.
        classes: What to look for, names of :data:`gateway.guards.views.characters.CLASSES`.
    """

    __slots__ = ("_classes", "_controls", "_one", "_run", "name", "reach")

    def __init__(self, name: str, classes: Collection[str]) -> None:
        self.name = name
        self.reach = 8
        self._classes = frozenset(classes)
        self._controls = "control" in self._classes
        wanted = "[" + "".join(CLASSES[each] for each in CLASSES if each in self._classes) + "]"
        self._one = re.compile(wanted)
        self._run = re.compile(wanted + "+")

    def find(self, text: str) -> list[Finding]:
        """See :class:`gateway.plugin.guard.PieceDetector`."""
        if text.isascii() and not (self._controls and len(text.encode().translate(None, _CONTROLS)) != len(text)):
            return []
        return [finding for run in self._run.finditer(text) for finding in self._in_run(text, run.start(), run.end())]

    def pending(self, text: str, at: int) -> int:
        """See :class:`gateway.plugin.guard.PieceDetector`."""
        place = len(text)
        while place > at and self._one.match(text, place - 1):
            place -= 1
        return place

    def _in_run(self, text: str, start: int, end: int) -> Iterator[Finding]:
        begun, kind = start, ""
        for place in range(start, end):
            here = "" if _belongs(text, place) else _CLASS_OF.get(text[place], "private_use")
            if here != kind:
                if kind:
                    yield _finding(kind, begun, place)
                begun, kind = place, here
        if kind:
            yield _finding(kind, begun, end)


def build(spec: DetectorSpec) -> UnicodeDetector:
    """Build the detector.

    Raises:
        Misconfigured: There is no such class.
    """
    classes = spec.options.get("classes") or tuple(CLASSES)
    if unknown := sorted(set(classes) - set(CLASSES)):
        raise Misconfigured(f"Detector '{spec.name}': there is no class of characters '{unknown[0]}'.")
    return UnicodeDetector(spec.name, classes)


def _finding(kind: str, start: int, end: int) -> Finding:
    return Finding(kind=kind, start=start, end=end, label="HIDDEN", replacement="")


def _belongs(text: str, place: int) -> bool:
    """Whether an unseen character is part of writing. Looks seven characters back and six ahead at most."""
    char = text[place]
    before = text[place - 1] if place else ""
    after = text[place + 1 : place + 2]
    match _CLASS_OF.get(char):
        case "zero_width" if char in (_ZWJ, _ZWNJ):
            return _joins(text, place, before, after)
        case "variation":
            return _varies(char, before)
        case "tag":
            return _of_flag(text, place)
        case "bidi":
            return char in _MARKS and (_runs_left(before) or _runs_left(after))
        case "filler":
            return _fills(char, before, after)
        case _:
            return False


def _joins(text: str, place: int, before: str, after: str) -> bool:
    if before and unicodedata.combining(before) == _VIRAMA:
        return True
    if _is(_JOINING, before) and _is(_JOINING, after):
        return True
    if text[place] == _ZWNJ:
        return False
    base = text[place - 2] if before == _EMOJI_STYLE and place > 1 else before
    return _is(_EMOJI, base) and _is(_EMOJI, after)


def _varies(char: str, before: str) -> bool:
    if not before:
        return False
    if char in ("\ufe0e", _EMOJI_STYLE):
        return _is(_EMOJI, before) or before in "0123456789#*"
    if char in _MONGOLIAN_SELECTORS:
        return _is(_MONGOLIAN, before)
    if _is(_IDEOGRAPH, before):
        return True
    return char in "\ufe00\ufe01\ufe02" and before > "\x7f" and unicodedata.category(before) in ("Sm", "So")


def _of_flag(text: str, place: int) -> bool:
    flag = text.rfind(_FLAG, max(0, place - 6), place)
    return flag >= 0 and text.startswith(_FLAG_TAGS, flag + 1)


def _runs_left(char: str) -> bool:
    return bool(char) and unicodedata.bidirectional(char) in ("R", "AL")


def _fills(char: str, before: str, after: str) -> bool:
    if char == "\u2800":
        return _is(_BRAILLE, before) or _is(_BRAILLE, after)
    if char == "\u115f":
        return "\u1160" <= after <= "\u11a7"
    return char == "\u1160" and "\u1100" <= before <= "\u115f"


def _is(kind: re.Pattern[str], char: str) -> bool:
    return bool(char) and kind.match(char) is not None
