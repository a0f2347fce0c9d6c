"""``use: url_egress``: links and images that lead to hosts that nobody allowed.

A model that was told to by a text it read can send what it knows to anybody by a link, or without a click by an image.
Where links stand is read by :mod:`gateway.guards.links`; where they lead, and whether that is allowed, is judged there.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from gateway.core.verdict import DetectorSpec
from gateway.guards.links import bare, markdown, markup
from gateway.guards.links.allowlist import AllowList
from gateway.guards.links.judge import LinkJudge
from gateway.guards.links.sighting import MAX_URL, REACH, Sighting
from gateway.plugin.guard import Finding

SURFACES = ("md_image", "md_link", "md_reference", "html", "bare_url")
REMOVED = "(link removed)"
_MARKDOWN = frozenset({"md_image", "md_link", "md_reference"})
# What may stand before and behind a replacement without becoming one word with it.
_LEFT = re.compile(r"[\s(\[\"'*_~>]")
_RIGHT = re.compile(r"\Z|[\s)\]\"'*_~,;!?]|\.(?:\s|\Z)")
_URL = re.compile(r"(?i)\S*(?:[:/\\]{2}|:[/\\]|www\.|data:|javascript:)\S*")
_INNER = re.compile(r"!?\[([^\[\]]{0,256})\]\([^\s()]{0,2048}\)")
# An attribute or a style that loses its tag leads somewhere still, as does a scheme behind what is left of a link.
_ASSIGNED = re.compile(r"(?i)(?<=url)\(|(?<=[A-Za-z:_-])\s*=|(?<=[A-Za-z0-9+.-]):(?=\S|\Z)")
_SIGNS = re.compile(r"[\[\]<>`]+")
_SPACES = re.compile(r"\s+")
# What ends the text before a URL that is part of another one.
_RUN_BEFORE = re.compile(r"[\s<>\"`](?=[^\s<>\"`]*\Z)")
_MAX_TEXT = 256
_TEXT_OF_LINK = frozenset({"md_link", "bare_url", "autolink"})


class UrlEgressDetector:
    """Finds links to hosts that are not on a list; a :class:`~gateway.plugin.guard.PieceDetector`.

    Args:
        name: As rules call it.
        judge: Says which links may stay.
        surfaces: How a link may be written to be found.
        nested: Addresses inside an allowed URL are that URL's business.
    """

    def __init__(self, name: str, judge: LinkJudge, surfaces: frozenset[str], *, nested: bool = False) -> None:
        self.name = name
        self.reach = MAX_URL + REACH if nested else REACH
        self._judge = judge
        self._surfaces = surfaces
        self._nested = nested
        self._markdown = bool(surfaces & _MARKDOWN)
        self._html = "html" in surfaces
        self._bare = "bare_url" in surfaces
        self._autolinks = self._bare or "md_link" in surfaces

    def find(self, text: str) -> list[Finding]:
        """Return the links that may not stay, by start. One may lie in another: an image in a link."""
        found: list[tuple[int, int, Finding]] = []
        for sighting in self._sightings(text, 0):
            finding = self._finding(text, sighting) if sighting.targets else None
            if finding is not None:
                found.append((finding.start, -finding.end, finding))
        if len(found) > 1:
            found.sort(key=lambda each: each[:2])
        return [each[2] for each in found]

    def pending(self, text: str, at: int) -> int:
        """Return the first place from ``at`` on where a link may still begin or change."""
        first = bare.begun(text, at) if self._bare else len(text)
        last = text[-1:]
        if at < len(text) and ((self._markdown and last in "!]") or last == "<"):
            first = min(first, len(text) - 1)
        for sighting in self._sightings(text, at):
            # A replacement depends on the two characters behind it.
            if at <= sighting.start < first and max(sighting.seen, sighting.end + 2) > len(text):
                first = sighting.start
        return first

    def _sightings(self, text: str, at: int) -> Iterator[Sighting]:
        if self._markdown and ("]" in text or "[" in text):
            yield from markdown.scan(text, at)
        if self._html:
            yield from markup.scan(text, at)
        if self._autolinks and "<" in text:
            yield from bare.scan_autolinks(text, at)
        if self._bare:
            for sighting in bare.scan(text, at):
                if not (self._nested and sighting.targets and self._is_inside(text, sighting.start)):
                    yield sighting

    def _is_inside(self, text: str, start: int) -> bool:
        """Whether a URL is part of an allowed one that began shortly before."""
        before = text[max(0, start - MAX_URL) : start]
        found = _RUN_BEFORE.search(before)
        if found is None and start > MAX_URL:
            return False
        before = before[found.end() :] if found else before
        outer = min((each for each in bare.scan(before, 0) if each.targets), key=lambda each: each.start, default=None)
        return outer is not None and outer.seen > len(before) and not self._judge.fault(outer.targets[0])

    def _finding(self, text: str, sighting: Sighting) -> Finding | None:
        surface = self._surface(sighting)
        faults = [fault for target in sighting.targets if (fault := self._judge.fault(target))] if surface else []
        if not faults:
            return None
        fault = faults[0]
        return Finding(
            kind=surface if fault == "host" else f"{surface}/{fault}",
            start=sighting.start,
            end=sighting.end,
            label="LINK" if surface != "md_image" else "IMAGE",
            replacement=_replacement(text, sighting),
        )

    def _surface(self, sighting: Sighting) -> str:
        """Return under which of the surfaces asked for something is found; empty for none."""
        surface: str = sighting.surface
        if surface == "autolink":
            surface = "md_link" if "md_link" in self._surfaces else "bare_url"
        elif surface == "md_link" and sighting.husk is not None and surface not in self._surfaces:
            # Its beginning is too far away to tell a link from an image.
            surface = "md_image"
        return surface if surface in self._surfaces else ""


def build(spec: DetectorSpec) -> UrlEgressDetector:
    """Build the detector of a policy."""
    options = spec.options
    judge = LinkJudge(
        AllowList(options.get("allow", {}).get("values", ())),
        redirectors=options.get("redirectors") == "allow",
        lookalikes=options.get("lookalikes") == "allow",
    )
    surfaces = frozenset(options.get("surfaces") or SURFACES)
    return UrlEgressDetector(spec.name, judge, surfaces, nested=options.get("redirectors") == "allow")


def _replacement(text: str, sighting: Sighting) -> str:
    """Return the words that stay, set apart from what they would become a URL with."""
    if sighting.husk is not None:
        return sighting.husk
    words = shown(sighting.text)
    if not words and sighting.surface in _TEXT_OF_LINK:
        words = REMOVED
    left = "" if not sighting.start or _LEFT.match(text, sighting.start - 1) else " "
    right = "" if _RIGHT.match(text, sighting.end) else " "
    return f"{left}{words}{right}" if words else min(left, right)


def shown(text: str) -> str:
    """Return what a reader sees of a link's text, as nothing but words."""
    if "&" in text:
        text = html.unescape(text)
    text = _ASSIGNED.sub(" ", _URL.sub(REMOVED, _INNER.sub(r" \1 ", text)))
    text = _SPACES.sub(" ", _SIGNS.sub(" ", text)).strip().lstrip("!")
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"
