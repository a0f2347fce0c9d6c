"""JSON that travels as text (tool arguments): scanned by its strings, names and numbers, and valid after edits.

Only the tokens that hold a hit are written anew; every other byte, white space and the digits of large numbers
included, stays as it was. Text that is not JSON is screened as plain text.
"""

from __future__ import annotations

import re
from bisect import bisect_right

import msgspec
import orjson

from gateway.guards.cover import Cover, Hit
from gateway.guards.redaction import Edit, Edits, redact
from gateway.guards.screening import Failure, Finding, Look, PlainLook, Screening, conclude, hits_of
from gateway.guards.vault import Masks

# Strings and numbers of a text that is known to be JSON.
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|-?[0-9][0-9.eE+-]*')
_COLON = re.compile(r"\s*:")


class _Token(msgspec.Struct):
    """A string or number.

    Attributes:
        start: Offset of its content in the JSON text.
        end: Offset behind its content.
        text: Its content, escapes resolved.
        key: It is a member's name.
        quoted: It is a string.
        covers: Matches in its content.
        edit: Its new content.
    """

    start: int
    end: int
    text: str
    key: bool
    quoted: bool
    covers: list[Cover]
    edit: str | None = None

    @property
    def escaped(self) -> bool:
        """Whether offsets in the content are not offsets in the JSON text."""
        return self.end - self.start != len(self.text)


def leaves(text: str) -> str | None:
    """Return all strings and numbers of a JSON text, one a line; ``None`` when the text is not JSON."""
    if not _is_json(text):
        return None
    return "\n".join([_content(found.group()) for found in _TOKEN.finditer(text)])


class JsonLook:
    """A look at a JSON text: its strings, names and numbers, and itself."""

    __slots__ = ("_across", "_numbers", "_starts", "_text", "_tokens", "failed", "hits")

    def __init__(self, screening: Screening, text: str, tokens: list[_Token]) -> None:
        self._numbers = screening.matcher.numbers
        self._text = text
        self._tokens = tokens
        self._starts = [token.start for token in tokens]
        self.failed: list[Failure] = []
        hits: list[Hit] = []
        known: set[tuple[str, int]] = set()
        for token in tokens:
            token.covers, points, failed = screening.covers(token.text, structured=False)
            if token.covers:
                found = hits_of(token.covers)
                known.update([(hit.detector, token.start) for hit in found])
                hits += [_placed(hit, token) for hit in found]
            hits += [_placed(hit, token) for hit in points]
            self.failed += failed
        # What the JSON text itself shows and no single token does: a name and its value taken together.
        covers = [cover for cover in screening.matcher.covers(text) if screening.wants(cover)]
        self.failed += screening.overflow()
        self._across = [
            hit
            for hit in hits_of(covers)
            if not any((hit.detector, token.start) in known for token in self._inside(hit))
        ]
        for runner in screening.runners:
            if runner.scope.structured:
                found = runner.run(text, screening.about)
                self._across += hits_of(found.covers)
                hits += found.points
                self.failed += [(runner.spec, found.error)] if found.error else []
        self.hits = sorted(hits + self._across, key=lambda hit: hit.start)

    def add(self, covers: list[Cover], points: list[Hit]) -> None:
        """Add what somebody else found in the JSON text as it stands."""
        found = hits_of(covers)
        self._across = self._across + found
        self.hits = sorted([*self.hits, *found, *points], key=lambda hit: hit.start)

    def edit(self, edits: Edits, masks: Masks) -> str | None:
        """Return the text as it becomes, valid JSON again; ``None`` when nothing in it is edited."""
        for token in self._tokens:
            if any(cover.mark.number in edits for cover in token.covers):
                token.edit = redact(token.text, token.covers, edits, masks)
        for hit in self._across:
            edit = edits.get(self._numbers[hit.detector])
            if edit is not None:
                inside = self._inside(hit)
                for token in [token for token in inside if not token.key] or inside:
                    token.edit = _clipped(token, hit, edit, masks)
        return _written(self._text, self._tokens)

    def _inside(self, hit: Hit) -> list[_Token]:
        """Return the tokens that a hit touches."""
        at = max(0, bisect_right(self._starts, hit.start) - 1)
        last = bisect_right(self._starts, hit.end - 1)
        return [token for token in self._tokens[at:last] if hit.start < token.end]


def look_encoded(screening: Screening, text: str) -> Look:
    """Look at a JSON text by its strings, names and numbers, and by itself.

    Offsets of hits are those of the JSON text; a hit in a string with escapes stands for the whole string. Text that is
    not JSON is looked at as plain text.
    """
    if not _is_json(text):
        return screening.look(text)
    tokens = _tokens(text)
    if screening.quiet("\n".join([token.text for token in tokens])) and screening.quiet(text):
        return PlainLook(text, [], [], [])
    return JsonLook(screening, text, tokens)


def screen_encoded(screening: Screening, text: str, shown: str = "", masks: Masks | None = None) -> Finding | None:
    """Judge a JSON text; ``None`` when no rule holds and nothing failed."""
    return conclude(screening, look_encoded(screening, text), shown, masks)


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return False
    return True


def _content(token: str) -> str:
    if token[0] != '"':
        return token
    return orjson.loads(token) if "\\" in token else token[1:-1]


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    for found in _TOKEN.finditer(text):
        start, end = found.span()
        quoted = text[start] == '"'
        key = quoted and _COLON.match(text, end) is not None
        tokens.append(_Token(start + quoted, end - quoted, _content(found.group()), key, quoted, []))
    return tokens


def _placed(hit: Hit, token: _Token) -> Hit:
    if token.escaped:
        return msgspec.structs.replace(hit, start=token.start, end=token.end)
    return msgspec.structs.replace(hit, start=hit.start + token.start, end=hit.end + token.start)


def _clipped(token: _Token, hit: Hit, edit: Edit, masks: Masks) -> str:
    """Edit the part of a token in which a hit lies that goes beyond it."""
    whole = token.edit is not None or token.escaped or not token.quoted
    if whole:
        return edit.replace(hit.label, token.text, hit.replacement, masks)
    first, last = max(0, hit.start - token.start), min(hit.end - token.start, len(token.text))
    return (
        token.text[:first] + edit.replace(hit.label, token.text[first:last], hit.replacement, masks) + token.text[last:]
    )


def _written(text: str, tokens: list[_Token]) -> str | None:
    parts: list[str] = []
    names: set[str] = {token.text for token in tokens if token.key}
    at = 0
    for token in tokens:
        if token.edit is not None:
            content = _unused(token.edit, names) if token.key else token.edit
            parts += (text[at : token.start - token.quoted], orjson.dumps(content).decode())
            at = token.end + token.quoted
    if not parts:
        return None
    parts.append(text[at:])
    return "".join(parts)


def _unused(name: str, names: set[str]) -> str:
    """Return a member name that hides no other one, and keep it."""
    free, number = name, 2
    while free in names:
        free = f"{name}_{number}"
        number += 1
    names.add(free)
    return free
