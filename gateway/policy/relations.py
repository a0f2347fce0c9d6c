"""How rules relate: whether one applies wherever another does, whether two can meet, whether one can ever hold.

Globs are compared by what they can match, expressions by trying every combination of hits. Where the truth is not
known, the answers lean so that nothing is called wrong that may be right.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from itertools import product

from gateway.core.verdict import Globs, Match, When
from gateway.policy.expression import detectors_of

_WILD = frozenset("*?[")
# Parts of a match that are globs over one value.
_GLOBS = ("role", "kind", "tool", "route", "model", "provider", "key", "team")
_FLAGS = ("stream", "tainted")
# More detectors in two expressions than this are not tried in every combination.
_MAX_NAMES = 12
_MAX_GLOB_CHARS = 200
# Who can be the author of a text in an answer.
_ANSWERING = ("assistant",)


def impossible(match: Match) -> str:
    """Return why a match can never apply, or nothing when it can."""
    for name in (*_GLOBS, "tag"):
        globs: Globs = getattr(match, name)
        if globs.include and all(_excluded(value, globs.exclude) for value in globs.include):
            return f"{name} excludes everything that it names"
    roles = match.role.include
    if match.direction == ("response",) and roles and not set(roles) & set(_ANSWERING):
        return f"an answer has no text of role {' or '.join(roles)}"
    return ""


def covers(wide: Match, narrow: Match) -> bool:
    """Whether ``wide`` applies wherever ``narrow`` does."""
    if wide.direction and not set(narrow.direction or ("request", "response")) <= set(wide.direction):
        return False
    if any(getattr(wide, name) not in (None, getattr(narrow, name)) for name in _FLAGS):
        return False
    # A call has many tags and matches by any of them: only the same words are known to mean the same calls.
    if wide.tag not in (Globs(), narrow.tag):
        return False
    return all(_covers_globs(getattr(wide, name), getattr(narrow, name)) for name in _GLOBS)


def meet(one: Match, other: Match) -> bool:
    """Whether there may be a text to which both apply."""
    if one.direction and other.direction and not set(one.direction) & set(other.direction):
        return False
    for name in _FLAGS:
        said = {getattr(one, name), getattr(other, name)} - {None}
        if len(said) > 1:
            return False
    return all(_meet_globs(getattr(one, name), getattr(other, name)) for name in _GLOBS)


def implies(strong: When, weak: When) -> bool:
    """Whether ``weak`` holds whenever ``strong`` does."""
    names = sorted({*detectors_of(strong), *detectors_of(weak)})
    if len(names) > _MAX_NAMES:
        return strong == weak
    tries = (dict(zip(names, hits, strict=True)) for hits in product((False, True), repeat=len(names)))
    return all(_holds(weak, found) for found in tries if _holds(strong, found))


def can_hold(when: When) -> bool:
    """Whether any combination of hits makes an expression true."""
    names = sorted(set(detectors_of(when)))
    if len(names) > _MAX_NAMES:
        return True
    return any(_holds(when, dict(zip(names, hits, strict=True))) for hits in product((False, True), repeat=len(names)))


def _holds(when: When, found: dict[str, bool]) -> bool:
    match when.op:
        case "detector":
            return found[when.name]
        case "any":
            return any(_holds(part, found) for part in when.parts)
        case "all":
            return all(_holds(part, found) for part in when.parts)
        case "not":
            return not any(_holds(part, found) for part in when.parts)


def _excluded(value: str, exclude: tuple[str, ...]) -> bool:
    return any(_covers_glob(glob, value) for glob in exclude)


def _covers_globs(wide: Globs, narrow: Globs) -> bool:
    if wide.include:
        if not narrow.include:
            return "*" in wide.include and not wide.exclude
        if not all(any(_covers_glob(glob, value) for glob in wide.include) for value in narrow.include):
            return False
    return all(
        _excluded(glob, narrow.exclude)
        or (bool(narrow.include) and not any(globs_meet(glob, value) for value in narrow.include))
        for glob in wide.exclude
    )


def _covers_glob(wide: str, narrow: str) -> bool:
    """Whether a glob matches everything that another one does."""
    if wide in (narrow, "*"):
        return True
    if not _WILD & set(narrow):
        return fnmatchcase(narrow, wide)
    # A star takes whatever the other's wildcards stand for; a question mark or a class may not.
    return not {"?", "["} & set(wide) and fnmatchcase(narrow, wide)


def _meet_globs(one: Globs, other: Globs) -> bool:
    for left in one.include or ("*",):
        for right in other.include or ("*",):
            if globs_meet(left, right) and not any(
                _excluded(side, exclude) for side in (left, right) for exclude in (one.exclude, other.exclude)
            ):
                return True
    return False


def globs_meet(one: str, other: str) -> bool:
    """Whether some text matches both globs; a class of characters counts as any character."""
    if len(one) > _MAX_GLOB_CHARS or len(other) > _MAX_GLOB_CHARS:
        return True
    left, right = _symbols(one), _symbols(other)
    # reach[j]: the first i symbols of one and the first j of the other can stand for the same text.
    reach = [True, *([False] * len(right))]
    for j, symbol in enumerate(right):
        reach[j + 1] = reach[j] and symbol == "*"
    for symbol in left:
        row = [reach[0] and symbol == "*"]
        for j, against in enumerate(right):
            pair = (symbol, against)
            one_each = reach[j] and (symbol == against or "?" in pair)
            row.append(one_each or ("*" in pair and (reach[j + 1] or row[j])))
        reach = row
    return reach[-1]


def _symbols(glob: str) -> list[str]:
    symbols: list[str] = []
    at = 0
    while at < len(glob):
        close = glob.find("]", at + 2) if glob[at] == "[" else -1
        symbols.append("?" if close > 0 else glob[at])
        at = close + 1 if close > 0 else at + 1
    return symbols
