"""JSON that travels as text (tool arguments): scanned by its strings, names and numbers, and valid after edits.

Only the tokens that hold a hit are written anew; every other byte, white space and the digits of large numbers
included, stays as it was. Text that is not JSON is screened as plain text.
"""

from __future__ import annotations

import re

import msgspec
import orjson

from gateway.guards.matcher import Cover, Hit
from gateway.guards.screening import Finding, Screening

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


def screen_encoded(screening: Screening, text: str) -> Finding | None:
    """Judge a JSON text by its strings, names and numbers, and by itself; ``None`` when no rule holds.

    Offsets of hits are those of the JSON text; a hit in a string with escapes stands for the whole string.
    """
    if not _is_json(text):
        return screening.screen(text)
    tokens = _tokens(text)
    if screening.quiet("\n".join([token.text for token in tokens])) and screening.quiet(text):
        return None
    hits: list[Hit] = []
    for token in tokens:
        token.covers = screening.matcher.covers(token.text)
        if token.covers:
            hits += [_placed(hit, token) for hit in screening.hits(token.covers)]
    across = _across(screening, text, tokens, hits)
    fired = screening.fired(hits + across)
    if not fired:
        return None
    finding = Finding(sorted(hits + across, key=lambda hit: hit.start), fired)
    if edited := screening.edited(fired):
        finding.text = _edit(
            screening, text, tokens, [hit for hit in across if _number(screening, hit) in edited], edited
        )
    return finding


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


def _across(screening: Screening, text: str, tokens: list[_Token], hits: list[Hit]) -> list[Hit]:
    """What the JSON text itself shows and no single token does: a name and its value taken together."""
    across: list[Hit] = []
    for hit in screening.hits(screening.matcher.covers(text)):
        inside = [token for token in tokens if token.start < hit.end and hit.start < token.end]
        known = any(
            other.detector == hit.detector and token.start <= other.start < token.end
            for other in hits
            for token in inside
        )
        if not known:
            across.append(hit)
    return across


def _number(screening: Screening, hit: Hit) -> int:
    return screening.matcher.numbers[hit.detector]


def _edit(
    screening: Screening, text: str, tokens: list[_Token], across: list[Hit], edited: frozenset[int]
) -> str | None:
    for token in tokens:
        if any(screening.matcher.detector(cover.rank) in edited for cover in token.covers):
            token.edit = screening.redact(token.text, token.covers, edited)
    for hit in across:
        inside = [token for token in tokens if token.start < hit.end and hit.start < token.end]
        for token in [token for token in inside if not token.key] or inside:
            token.edit = _clipped(token, hit) if token.edit is None else f"[{hit.label}]"
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


def _clipped(token: _Token, hit: Hit) -> str:
    marker = f"[{hit.label}]"
    if token.escaped or not token.quoted:
        return marker
    first, last = max(0, hit.start - token.start), hit.end - token.start
    return token.text[:first] + marker + token.text[last:]


def _unused(name: str, names: set[str]) -> str:
    """Return a member name that hides no other one, and keep it."""
    free, number = name, 2
    while free in names:
        free = f"{name}_{number}"
        number += 1
    names.add(free)
    return free
