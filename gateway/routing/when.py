"""Which candidates a request is for: their conditions made ready to be asked. Pure; facts are found out on demand."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fnmatch import translate
from typing import Any, Protocol

from gateway.core.matching import matches_tags
from gateway.core.route_rules import Between, RouteMatch, RouteWhen
from gateway.core.verdict import ANY, Globs

# What is known only once rules have looked at a request.
VERDICT = ("verdict", "score", "tainted")
_SETS = ("tool", "media")
_GLOB_CHARS = frozenset("*?[")


class Facts(Protocol):
    """What conditions may ask of a request; :class:`gateway.request_facts.RequestFacts` is one.

    Every name of :class:`gateway.core.route_rules.RouteMatch` is a fact; where it has several values, a tuple of them.
    """

    @property
    def dialect(self) -> str:
        """The client's."""
        ...

    @property
    def most_tokens(self) -> int:
        """No fewer tokens than it needs; told quickly."""
        ...

    @property
    def tokens_needed(self) -> int:
        """Tokens of the request and of the longest answer that it asks for."""
        ...

    @property
    def tags(self) -> Mapping[str, str]:
        """Of the call."""
        ...


Check = tuple[str, Callable[[Facts], bool]]


class Condition:
    """What a candidate asks of a request.

    Args:
        when: One of these must hold.
    """

    __slots__ = ("_any",)

    def __init__(self, when: RouteWhen) -> None:
        self._any = tuple(_checks(each) for each in when)

    def unmet(self, facts: Facts) -> str:
        """Name what a request does not meet, of each alternative the first; empty when it meets one."""
        missed: list[str] = []
        for checks in self._any:
            for name, holds in checks:
                if not holds(facts):
                    missed.append(name)
                    break
            else:
                return ""
        return ", ".join(dict.fromkeys(missed))


class Conditions:
    """The conditions of all candidates of an alias.

    Args:
        whens: By place.

    Attributes:
        asks_verdict: One of them asks what rules made of the request.
    """

    __slots__ = ("_conditions", "asks_verdict")

    def __init__(self, whens: tuple[RouteWhen, ...]) -> None:
        self._conditions = tuple((place, Condition(when)) for place, when in enumerate(whens) if when)
        asked = [match for when in whens for match in when]
        self.asks_verdict = any(_asks(match, name) for match in asked for name in VERDICT)

    def unmet(self, facts: Facts) -> dict[int, str]:
        """Give who is not for a request, and what it does not meet."""
        found: dict[int, str] = {}
        for place, condition in self._conditions:
            if missed := condition.unmet(facts):
                found[place] = missed
        return found


def asked_facts(whens: tuple[RouteWhen, ...]) -> tuple[str, ...]:
    """Give the names of the facts that conditions ask for."""
    asked = [match for when in whens for match in when]
    facts = (name for name in RouteMatch.__struct_fields__ if any(_asks(match, name) for match in asked))
    return tuple("tags" if name == "tag" else name for name in facts)


def _asks(match: RouteMatch, name: str) -> bool:
    asked = getattr(match, name)
    return asked is not None and asked != ANY


def _checks(match: RouteMatch) -> tuple[Check, ...]:
    return tuple((name, _check(name, getattr(match, name))) for name in match.__struct_fields__ if _asks(match, name))


def _check(name: str, asked: Any) -> Callable[[Facts], bool]:
    if isinstance(asked, bool):
        return lambda facts: getattr(facts, name) is asked
    if isinstance(asked, Between):
        return lambda facts: asked.holds(getattr(facts, name))
    globs: Globs = asked
    if name == "tag":
        return lambda facts: matches_tags(globs, facts.tags)
    wanted, excluded = _among(globs.include), _among(globs.exclude)
    if name in _SETS:
        return lambda facts: (
            (not globs.include or any(map(wanted, getattr(facts, name))))
            and not any(map(excluded, getattr(facts, name)))
        )
    if not globs.exclude:
        return lambda facts: bool(wanted(getattr(facts, name)))
    return lambda facts: (
        (not globs.include or bool(wanted(getattr(facts, name)))) and not excluded(getattr(facts, name))
    )


def _among(globs: tuple[str, ...]) -> Callable[[str], object]:
    """Whether a value is one of those that are meant, as quickly as that can be told."""
    if not any(_GLOB_CHARS.intersection(each) for each in globs):
        return frozenset(globs).__contains__
    return re.compile("|".join(map(translate, globs))).match
