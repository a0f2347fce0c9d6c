"""Characters written by their numbers or names, and markup that cuts words: a view in which they are themselves."""

from __future__ import annotations

import html
import re

from gateway.guards.views.rewriting import Rewritten, rewrite
from gateway.guards.views.view import Piece, View

_ESCAPES = re.compile(
    r"(?P<percent>(?:%[0-9a-fA-F]{2})++)|(?P<quoted>(?:=[0-9a-fA-F]{2}){2,}+)|(?P<x>(?:\\x[0-9a-fA-F]{2})++)"
    r"|(?P<u>(?:\\u[0-9a-fA-F]{4})++)|(?P<octal>(?:\\[01][0-7]{2})++)"
    r"|\\u\{(?P<braced>[0-9a-fA-F]{1,6})\}|\\U(?P<wide>[0-9a-fA-F]{8})"
    r"|(?P<entity>&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});?)|\\(?P<space>[nrt])"
)
_WIDTHS = {"percent": 3, "quoted": 3, "x": 4}
# What does not look like a tag is text: 1 < 2, a <- b.
_MARKUP = re.compile(r"<!--.*?(?:-->|\Z)|</?[A-Za-z][^<>]{0,400}>", re.DOTALL)
_LAST = 0x10FFFF


def escapes(view: View) -> Rewritten:
    """Resolve escapes, one layer of them."""
    return _deeper(view, rewrite(view, "escapes", _ESCAPES, _resolve))


def markup(view: View) -> Rewritten:
    """Leave out tags and comments."""
    return _deeper(view, rewrite(view, "markup", _MARKUP, lambda found: ("", [(*found.span(), 0, 0)])))


def _deeper(view: View, made: Rewritten) -> Rewritten:
    if made.view is not None:
        made.view.depth = view.depth + 1
    return made


def _resolve(found: re.Match[str]) -> tuple[str, list[Piece]] | None:
    kind, start, written = str(found.lastgroup), found.start(), found.group()
    if kind in _WIDTHS:
        return _bytes(bytes.fromhex(re.sub(r"[%=\\x]+", "", written)), start, _WIDTHS[kind])
    if kind == "octal":
        return _bytes(bytes(int(number, 8) for number in written.split("\\")[1:]), start, 4)
    if kind == "u":
        return _units(bytes.fromhex(written.replace("\\u", "")), start)
    if kind == "entity":
        text = html.unescape(written)
        text = "" if text == written else text
    elif kind == "space":
        text = "\n" if written == "\\n" else " "
    else:
        number = int(found[kind], 16)
        text = chr(number) if number <= _LAST and not 0xD800 <= number < 0xE000 else ""
    return (text, [(*found.span(), len(text), 0)]) if text else None


def _bytes(data: bytes, start: int, width: int) -> tuple[str, list[Piece]]:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    if len(text) == len(data):
        return text, [(start, start + len(data) * width, len(text), width)]
    return text, _by_character(text, start, width, "utf-8")


def _units(data: bytes, start: int) -> tuple[str, list[Piece]]:
    text = data.decode("utf-16-be", "replace")
    if len(text) * 2 == len(data):
        return text, [(start, start + len(text) * 6, len(text), 6)]
    return text, _by_character(text, start, 3, "utf-16-be")


def _by_character(text: str, start: int, width: int, encoding: str) -> list[Piece]:
    pieces: list[Piece] = []
    for char in text:
        end = start + len(char.encode(encoding, "replace")) * width
        pieces.append((start, end, 1, 0))
        start = end
    return pieces
