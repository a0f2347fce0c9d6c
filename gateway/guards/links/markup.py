"""Links of HTML: attributes that lead somewhere, styles, and whole tags where they are short enough to be held.

An attribute counts wherever it stands, since readers of HTML forgive much. A tag that begins shortly before its first
link is found as a whole, so that an image becomes its ``alt`` text; any other one loses the attribute's value.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator

import msgspec

from gateway.guards.links.sighting import HEAD, MAX_URL, Sighting

_PLAIN = frozenset({
    "action", "archive", "background", "cite", "classid", "codebase", "data", "dynsrc", "formaction", "href", "icon",
    "longdesc", "lowsrc", "manifest", "ping", "poster", "profile", "src", "srcset", "usemap", "xlink:href",
    "imagesrcset", "url",
})  # fmt: skip
_INSIDE = frozenset({"content", "style", "srcdoc"})
_OPENING = re.compile(r"<(?=[A-Za-z]|\Z)")
_TAG_NAME = re.compile(rf"[A-Za-z][A-Za-z0-9:_-]{{0,{HEAD}}}")
_BETWEEN = re.compile(r"[\s/]*")
_NAME = re.compile(rf"[^\s\"'<>/=]{{1,{HEAD}}}")
_SPACE = re.compile(r"\s{0,4}")
_UNQUOTED = re.compile(rf"[^\s>]{{0,{MAX_URL + 1}}}")
_LEFT = re.compile(r"(?:^|[\s\"'/<;])([A-Za-z][A-Za-z:_-]{1,15})\s{0,4}\Z")
_CSS = re.compile(r"(?i)(?<=url)\(")
_CSS_URL = re.compile(rf"(?i)(?:url\(\s*|@import\s+)[\"']?([^\"')\s;]{{1,{MAX_URL}}})")
_CSS_ESCAPE = re.compile(r"\\(?:([0-9a-fA-F]{1,6})\s?|([^\n]))")
_CSS_RUN = re.compile(rf"[^\s\"')]{{0,{MAX_URL + 1}}}")
_REFRESH = re.compile(r"(?i)url\s*=\s*[\"']?([^\"';\s]+)")
_ABSOLUTE = re.compile(r"(?i)(?:[a-z][a-z0-9+.-]{0,31}:)?[\\/]{2}[^\s\"'<>]+")
_SCHEME_RUN = re.compile(r"[A-Za-z0-9+.-]{0,32}")
_CANDIDATE = re.compile(r"[^\s,]\S*")
_LOOKED_LEFT = 24
# After its first link a tag is waited for a little longer.
_TAG_TAIL = 512


def scan(text: str, at: int) -> Iterator[Sighting]:
    """Yield what begins from ``at`` on."""
    if "<" in text:
        for found in _OPENING.finditer(text, at):
            yield _Tag(text, found.start()).read()
    if "=" in text:
        place = text.find("=", at)
        while place >= 0:
            named = _LEFT.search(text, max(0, place - _LOOKED_LEFT), place)
            if named is not None and named[1].lower() in _PLAIN:
                yield _assigned(text, place, named[1].lower())
            place = text.find("=", place + 1)
    if "(" in text and "url(" in text.lower():
        for found in _CSS.finditer(text, at):
            yield _styled(text, found.start())


class _Value(msgspec.Struct, frozen=True):
    """An attribute's value: what it is, where it ends, how far was looked; ``begun`` when it may be a longer one."""

    text: str
    end: int
    seen: int
    closed: bool = True


class _Tag:
    """Reads one opening tag."""

    def __init__(self, text: str, start: int) -> None:
        self._text = text
        self._start = start
        self._targets: list[str] = []
        self._alt = ""

    def read(self) -> Sighting:
        """Read up to the closing bracket, or as far as a tag is held."""
        text, start = self._text, self._start
        name = _TAG_NAME.match(text, start + 1)
        if name is None:
            return Sighting("html", start, start, start + 2)
        at, seen = self._attributes(name.end())
        alt = self._alt if name.group().lower() in ("img", "area", "input", "image") else ""
        return Sighting("html", start, at, seen, tuple(self._targets), alt)

    def _attributes(self, at: int) -> tuple[int, int]:
        """Read attributes; return where the tag ends, and how far was looked."""
        text = self._text
        while True:
            place = _end(_BETWEEN, text, at)
            limit = self._limit()
            if place >= limit:
                return (at, place) if place <= len(text) else (at, len(text) + 1)
            sign = text[place : place + 1]
            if sign in ("", ">", "<"):
                return (place + 1, place + 1) if sign == ">" else (at, place + 1)
            if sign in "\"'=":
                at = place + 1
                continue
            at = _end(_NAME, text, place)
            if at == len(text):
                return at, at + 1
            value = self._value(text[place:at].lower(), at)
            if value is None:
                continue
            if not value.closed or value.seen > len(text):
                return value.end, value.seen
            at = value.end

    def _limit(self) -> int:
        return self._start + HEAD + (_TAG_TAIL + MAX_URL if self._targets else 0)

    def _value(self, name: str, at: int) -> _Value | None:
        text = self._text
        place = _end(_SPACE, text, at)
        if place == len(text):
            return _Value("", at, place + 1)
        if text[place] != "=":
            return None
        leads = name in _PLAIN
        value = _value(text, place + 1, MAX_URL + 1 if leads else max(0, self._limit() - place))
        if leads or (name in _INSIDE and value.closed):
            self._targets += _targets(name, value.text)
        elif name == "alt":
            self._alt = html.unescape(value.text)
        return value


def _value(text: str, at: int, most: int) -> _Value:
    place = _end(_SPACE, text, at)
    quote = text[place : place + 1]
    if quote in ('"', "'") and quote:
        limit = place + 1 + most
        closing = text.find(quote, place + 1, limit)
        if closing >= 0:
            return _Value(text[place + 1 : closing], closing + 1, closing + 1)
        end = min(limit, len(text))
        return _Value(text[place + 1 : end], end, end + (end < limit), closed=False)
    end = _end(_UNQUOTED, text, place)
    return _Value(text[place:end], end, end + (end - place <= MAX_URL))


def _assigned(text: str, place: int, name: str) -> Sighting:
    """Read ``="url"`` behind an attribute's name."""
    begin = _end(_SPACE, text, place + 1)
    begin += text[begin : begin + 1] in ('"', "'") and begin < len(text)
    leads, seen = _may_lead(text, _end(_SPACE, text, begin))
    if not leads:
        return Sighting("html", place, place, seen)
    value = _value(text, place + 1, MAX_URL + 1)
    return Sighting(
        "html", place, value.end, max(seen, value.seen), tuple(_targets(name, value.text)), husk='=""'
    )  # fmt: skip


def _styled(text: str, place: int) -> Sighting:
    """Read ``(url)`` of a style."""
    begin = _end(_SPACE, text, place + 1)
    quote = text[begin : begin + 1]
    begin += quote in ('"', "'") and begin < len(text)
    leads, seen = _may_lead(text, begin)
    if not leads:
        return Sighting("html", place, place, seen)
    end = _end(_CSS_RUN, text, begin)
    target = _css_unescaped(text[begin:end])
    closing = end + (quote in ('"', "'") and text[end : end + 1] == quote)
    closing = _end(_SPACE, text, closing)
    end = closing + 1 if text[closing : closing + 1] == ")" else end
    return Sighting("html", place, end, max(closing, end) + 1, (html.unescape(target),), husk="()")


def _may_lead(text: str, at: int) -> tuple[bool, int]:
    """Whether an absolute URL may stand at a place, told by its first characters; and how far was looked."""
    end = _end(_SCHEME_RUN, text, at)
    sign = text[end : end + 1]
    if end == len(text) or sign in "&%\\\t\n\r" or (sign == ":" and end > at):
        return True, end + 1
    if sign == "/" and end == at:
        return text[end + 1 : end + 2] in ("/", "\\", ""), end + 2
    # Look-alikes of signs, and what is not seen.
    return not sign.isascii() or text[at : at + 4].lower() == "www.", end + 1


def _targets(name: str, value: str) -> Iterator[str]:
    return _READERS.get(name, _itself)(html.unescape(value))


def _itself(value: str) -> Iterator[str]:
    if value:
        yield value


def _candidates(value: str) -> Iterator[str]:
    for found in _CANDIDATE.finditer(value):
        yield found.group().rstrip(",")


def _words(value: str) -> Iterator[str]:
    yield from value.split()


def _css_urls(value: str) -> Iterator[str]:
    value = _css_unescaped(value)
    for found in _CSS_URL.finditer(value):
        yield found[1]


def _refreshed(value: str) -> Iterator[str]:
    for found in _REFRESH.finditer(value):
        yield found[1]


def _written_out(value: str) -> Iterator[str]:
    for found in _ABSOLUTE.finditer(html.unescape(value)):
        yield found.group()


_READERS: dict[str, Callable[[str], Iterator[str]]] = {
    "content": _refreshed,
    "imagesrcset": _candidates,
    "ping": _words,
    "srcdoc": _written_out,
    "srcset": _candidates,
    "style": _css_urls,
}


def _css_unescaped(text: str) -> str:
    if "\\" not in text:
        return text

    def char(found: re.Match[str]) -> str:
        if not found[1]:
            return found[2]
        number = int(found[1], 16)
        return chr(number) if 0 < number < 0x110000 and not 0xD800 <= number < 0xE000 else ""

    return _CSS_ESCAPE.sub(char, text)


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at
