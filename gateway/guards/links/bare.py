"""URLs that stand in a text as they are, and those in angle brackets.

Any scheme before ``://`` counts. Of a known one the finding begins with it, of another one at its colon, so that no
word has to be held back for what might follow it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.guards.links.sighting import MAX_URL, Sighting

_COLON = r"(?::|&colon;|&#0{0,4}58;|&#x0{0,4}3a;)"
_SLASH = r"(?:[\\/]|&sol;|&bsol;|&#0{0,4}(?:47|92);|&#x0{0,4}(?:2f|5c);)"
_PLAIN_MARK = re.compile(r":[\\/]{2}")
_MARK = re.compile(rf"(?i){_COLON}{_SLASH}{{2}}")
_SCHEMES = ("https", "ftps", "http", "ftp", "wss", "ws")
_LONGEST_SCHEME = 5
_WWW = re.compile(r"(?i)(?<![A-Za-z0-9.@\\/-])www[0-9]{0,2}\.(?=[^\s.]|\Z)")
_DATA = re.compile(r"(?i)(?<![A-Za-z0-9])data:(?=[A-Za-z.;,]|\Z)")
_MEDIA = re.compile(r"(?i)[a-z]{0,20}(?:/[a-z0-9.+-]{0,60})?(?:;[^,;\s]{0,60}){0,4}")
_DOUBLE = re.compile(r"(?<![:\\/A-Za-z0-9._~%&=?#+-])//(?=[^\s/\\]|\Z)")
_DOUBLE_HOST = re.compile(r"[^\s/\\<>\"'()]{0,253}")
_HAS_DOMAIN = re.compile(r"[^\s.:]+(?:\.[^\s.:]+)*\.[^\W\d_]{2,24}(?::[0-9]{1,5})?")
_RUN = re.compile(rf"[^\s<>\"`\x00-\x1f]{{0,{MAX_URL + 1}}}")
_PAIRED = re.compile(r"[()\[\]']")
_OPENERS = {")": "(", "]": "["}
_MAX_DEPTH = 32
_TRAILING = ".,;:!?*_~'"
_AUTOLINK = re.compile(r"<(?=[A-Za-z]|\Z)")
_AUTOLINKED = re.compile(rf"[A-Za-z][A-Za-z0-9+.-]{{1,31}}:[^\s<>]{{0,{MAX_URL}}}")
_AUTOLINK_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}")
# What the beginning of a bare URL looks like as long as it may still become one.
_BEGUN = re.compile(
    r"(?i)(?:(?:https?|ftps?|wss?)?(?::[\\/]?|&[#a-z0-9;:&\\/]{0,20})|h|ht|htt|https?|f|ft|ftps?|w|wss?|www?|www[0-9]{1,2}|"
    r"d|da|dat|data|/)\Z"
)
_LONGEST_BEGUN = 26


def scan(text: str, at: int) -> Iterator[Sighting]:
    """Yield the bare URLs that begin from ``at`` on, each by the surface ``bare_url``."""
    if ":" in text or "&" in text:
        for found in (_MARK if "&" in text else _PLAIN_MARK).finditer(text, at):
            start = scheme_start(text, found.start())
            yield _url(text, start, found.end())
    plain = text.lower()
    if "data:" in plain:
        for found in _DATA.finditer(text, at):
            yield _data(text, found.start(), found.end())
    if "www" in plain:
        for found in _WWW.finditer(text, at):
            yield _url(text, found.start(), found.end())
    if "//" in text:
        for found in _DOUBLE.finditer(text, at):
            yield _double(text, found.start())


def scan_autolinks(text: str, at: int) -> Iterator[Sighting]:
    """Yield the URLs in angle brackets that begin from ``at`` on."""
    for opening in _AUTOLINK.finditer(text, at):
        start = opening.start()
        found = _AUTOLINKED.match(text, start + 1)
        if found is None:
            scheme = _AUTOLINK_SCHEME.match(text, start + 1)
            end = scheme.end() if scheme else start + 1
            yield Sighting("autolink", start, start, end + 1)
            continue
        end = found.end()
        targets = (found.group(),) if text[end : end + 1] in (">", "") or end - start > MAX_URL else ()
        long = end == len(text) and end - start > MAX_URL
        yield Sighting("autolink", start, end + (text[end : end + 1] == ">"), end + (not long), targets, found.group())


def scheme_start(text: str, colon: int) -> int:
    """Where a URL begins whose scheme ends at a colon."""
    before = text[max(0, colon - _LONGEST_SCHEME) : colon].lower()
    return colon - next((len(scheme) for scheme in _SCHEMES if before.endswith(scheme)), 0)


def begun(text: str, at: int) -> int:
    """Return the first place from ``at`` on where the text's end may be the beginning of a URL; else its length."""
    found = _BEGUN.search(text, max(at, len(text) - _LONGEST_BEGUN))
    return found.start() if found else len(text)


def url_end(text: str, start: int, at: int) -> tuple[int, int]:
    """Return where a URL ends in running text, and how far was looked.

    Args:
        text: The text.
        start: Where it begins.
        at: Where its host begins.
    """
    found = _RUN.match(text, at)
    end = found.end() if found else at
    cut = end - at > MAX_URL
    looked = end + (not cut)
    opened: list[str] = []
    quoted = start > 0 and text[start - 1] == "'"
    for sign in _PAIRED.finditer(text, at, end):
        mark = sign.group()
        if mark == "'":
            stop = quoted
        elif mark in "([":
            opened.append(mark)
            stop = len(opened) > _MAX_DEPTH
        else:
            stop = not opened or opened.pop() != _OPENERS[mark]
        if stop:
            end = sign.start()
            # What stands behind may only become more of the same.
            return _trimmed(text, at, end), end + 1
    return (end if cut else _trimmed(text, at, end)), looked


def _trimmed(text: str, at: int, end: int) -> int:
    return at + len(text[at:end].rstrip(_TRAILING))


def _url(text: str, start: int, at: int) -> Sighting:
    end, seen = url_end(text, start, at)
    target = text[start:end]
    if target[:1] in ":&":
        # A scheme that nobody knows; where it leads is what counts.
        target = f"other{target}"
    return Sighting("bare_url", start, end, max(seen, at + 1), (target,) if end > at else ())


def _data(text: str, start: int, at: int) -> Sighting:
    found = _MEDIA.match(text, at)
    place = found.end() if found else at
    if text[place : place + 1] != "," or not ("/" in text[at:place] or ";" in text[at:place] or place == at):
        return Sighting("bare_url", start, start, place + 1)
    end, seen = url_end(text, start, place)
    return Sighting("bare_url", start, end, seen, (text[start:end],))


def _double(text: str, start: int) -> Sighting:
    found = _DOUBLE_HOST.match(text, start + 2)
    place = found.end() if found else start + 2
    if text[place : place + 1] != "/" or not _HAS_DOMAIN.fullmatch(text, start + 2, place):
        return Sighting("bare_url", start, start, place + 1)
    end, seen = url_end(text, start, place)
    return Sighting("bare_url", start, end, seen, (text[start:end],))
