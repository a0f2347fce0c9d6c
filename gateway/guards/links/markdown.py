"""Links and images of Markdown: ``[text](url)``, ``![alt](url)``, ``[label]: url``.

Brackets are paired in one pass, so the work is linear in the text. Nothing is known of what stands far to the left: a
link whose text is long is found at its ``](``. A reference (``[text][label]``) leads where its definition says, and
the definition is what is found: without it, a reference is a word in brackets.

More is taken for a link than CommonMark does (https://spec.commonmark.org/0.31.2/#links): readers of Markdown differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.guards.links.sighting import HEAD, MAX_URL, Sighting, Surface

_BRACKET = re.compile(r"[\[\]]")
_SPACE = re.compile(r"\s{0,32}")
_ANGLED = re.compile(rf"[^<>\n]{{0,{MAX_URL + 1}}}")
_STOP = re.compile(r"[\s()]")
_WORD = re.compile(rf"\S{{0,{MAX_URL + 1}}}")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_CLOSERS = {'"': '"', "'": "'", "(": ")"}
_SIGNS = ("(", ":", "")
_MAX_TITLE = 256
_MAX_DEPTH = 32


def scan(text: str, at: int) -> Iterator[Sighting]:
    """Yield what begins from ``at`` on, by the place where it is recognised."""
    opened: list[int] = []
    for bracket in _BRACKET.finditer(text, max(0, at - HEAD - 1)):
        place = bracket.start()
        if text[place] == "[":
            opened.append(place)
            continue
        partner = opened.pop() if opened else -1
        if partner >= 0 and place - partner > HEAD:
            partner = -1
        start = place if partner < 0 else _begin(text, partner)
        # Most brackets are followed by neither, and nothing comes of them.
        if start >= at and text[place + 1 : place + 2] in _SIGNS:
            yield _read(text, start, partner, place)
    for place in opened:
        start = _begin(text, place)
        if start >= at and len(text) - place <= HEAD:
            yield Sighting("md_link", start, start, len(text) + 1)


def unescaped(text: str) -> str:
    """Resolve backslash escapes."""
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def _begin(text: str, bracket: int) -> int:
    """Where a bracket's image begins; the bracket itself for a link."""
    return bracket - 1 if bracket and text[bracket - 1] == "!" else bracket


def _read(text: str, start: int, partner: int, closing: int) -> Sighting:
    image = partner > start
    surface: Surface = "md_image" if image else "md_link"
    sign = text[closing + 1 : closing + 2]
    if sign == "(":
        target, end, seen = _inline(text, closing + 2)
    elif sign == ":" and text[partner + 1 : partner + 2] != "^":
        # Behind an exclamation mark too: it may be gone when this is read.
        surface = "md_reference"
        target, end, seen = _defined(text, closing + 2)
    else:
        return Sighting(surface, start, start, closing + 2)
    if not target:
        return Sighting(surface, start, start, seen)
    if surface == "md_reference":
        return Sighting(surface, start, end, seen, (target,), husk="" if partner >= 0 else "]")
    if partner < 0:
        return Sighting(surface, start, end, seen, (target,), husk="]")
    return Sighting(surface, start, end, seen, (target,), text[partner + 1 : closing])


def _inline(text: str, at: int) -> tuple[str, int, int]:
    """Read ``url "title")``: the URL, where the link ends, and how far was looked."""
    target, end, seen = _destination(text, at)
    if not target or seen > len(text):
        return target, end, seen
    tail, looked = _tail(text, end)
    return target, max(end, tail), max(seen, looked)


def _destination(text: str, at: int) -> tuple[str, int, int]:
    begin = _space_end(text, at)
    if begin == len(text):
        return "", begin, begin + 1
    if text[begin] == "<":
        found = _ANGLED.match(text, begin + 1)
        end = found.end() if found else begin + 1
        target = text[begin + 1 : end]
        if end == len(text):
            return unescaped(target), end, end + 1
        return unescaped(target), end + (text[end] == ">"), end + 1
    limit = begin + MAX_URL + 1
    depth = 0
    for found in _STOP.finditer(text, begin, limit):
        place, sign = found.start(), found.group()
        if sign == "(" and depth < _MAX_DEPTH:
            depth += 1
        elif sign == ")" and depth:
            depth -= 1
        else:
            return unescaped(text[begin:place]), place, place + 1
    end = min(limit, len(text))
    return unescaped(text[begin:end]), end, end + (end < limit)


def _tail(text: str, at: int) -> tuple[int, int]:
    """Read what follows a URL up to the bracket that closes the link: where that is, or -1; and how far was looked."""
    place = _space_end(text, at)
    closer = _CLOSERS.get(text[place : place + 1], "") if place > at else ""
    if closer:
        limit = place + 1 + _MAX_TITLE
        closing = text.find(closer, place + 1, limit)
        if closing < 0:
            return -1, len(text) + 1 if len(text) < limit else limit
        place = _space_end(text, closing + 1)
    return (place + 1 if text[place : place + 1] == ")" else -1), place + 1


def _defined(text: str, at: int) -> tuple[str, int, int]:
    begin = _space_end(text, at)
    if text[begin : begin + 1] == "<":
        return _destination(text, begin)
    found = _WORD.match(text, begin)
    end = found.end() if found else begin
    looked_on = end - begin <= MAX_URL
    return unescaped(text[begin:end]), end, end + looked_on


def _space_end(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
