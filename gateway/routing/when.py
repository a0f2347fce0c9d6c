"""Which candidates a request is for: their conditions made ready to be asked. Pure; facts are found out on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Protocol

from gateway.core.matching import matches, matches_tags
from gateway.core.route_rules import Between, RouteMatch, RouteWhen
from gateway.core.verdict import ANY, Globs

# What is known only once rules have looked at a request.
VERDICT = ("verdict", "score", "tainted")
_SETS = ("tool", "media")


class Facts(Protocol):
    """What conditions may ask of a request; :class:`gateway.request_facts.RequestFacts` is one.

    Every name of :class:`gateway.core.route_rules.RouteMatch` is a fact; where it has several values, a tuple of them.
    """

    @property
    def dialect(self) -> str:
        """The client's."""
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
    if name not in _SETS:
        return lambda facts: matches(globs, getattr(facts, name))
    wanted = Globs(include=globs.include)
    return lambda facts: _one_of(wanted, globs.exclude, getattr(facts, name))


def _one_of(wanted: Globs, excluded: tuple[str, ...], values: tuple[str, ...]) -> bool:
    """Whether one of several values is meant, and none is excluded."""
    if wanted.include and not any(matches(wanted, value) for value in values):
        return False
    return not any(fnmatchcase(value, glob) for value in values for glob in excluded)
