"""Keywords of JSON Schema that look at one value and hold no schema themselves."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from datetime import date, time
from math import isclose
from typing import Any
from uuid import UUID

from gateway.core.errors import Misconfigured
from gateway.guards.arguments import Check, canonical, holds_type, searcher
from gateway.guards.offered import is_array, is_object

_TYPE_NAMES = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})


def _number(meant: Any) -> float:
    if not holds_type(meant, "number"):
        raise ValueError
    return meant


def _count(meant: Any) -> int:
    if not holds_type(meant, "integer") or meant < 0:
        raise ValueError
    return int(meant)


def _numeric(compare: Callable[[float, float], bool]) -> Callable[[Any], Check]:
    def make(meant: Any) -> Check:
        bound = _number(meant)
        return lambda value: not holds_type(value, "number") or compare(value, bound)

    return make


def _sized(kind: type, compare: Callable[[int, int], bool]) -> Callable[[Any], Check]:
    def make(meant: Any) -> Check:
        bound = _count(meant)
        return lambda value: not isinstance(value, kind) or compare(len(value), bound)

    return make


def _is_multiple(value: float, of: float) -> bool:
    if isinstance(value, int) and isinstance(of, int):
        return value % of == 0
    quotient = value / of
    return isclose(quotient, round(quotient), rel_tol=1e-12, abs_tol=1e-12)


def _multiple(meant: Any) -> Check:
    of = _number(meant)
    if of <= 0:
        raise ValueError
    return lambda value: not holds_type(value, "number") or _is_multiple(value, of)


def _typed(meant: Any) -> Check:
    names: list[Any] = meant if is_array(meant) else [meant]
    if not names or not _TYPE_NAMES.issuperset(names):
        raise ValueError
    return lambda value: any(holds_type(value, name) for name in names)


def _enumerated(meant: Any) -> Check:
    if not is_array(meant):
        raise ValueError
    known = {canonical(each) for each in meant}
    return lambda value: canonical(value) in known


def _constant(meant: Any) -> Check:
    known = canonical(meant)
    return lambda value: canonical(value) == known


def _matched(meant: Any) -> Check:
    if not isinstance(meant, str):
        raise TypeError
    found = searcher(meant)
    return lambda value: not isinstance(value, str) or found(value)


def _required(meant: Any) -> Check:
    if not is_array(meant) or not all(isinstance(each, str) for each in meant):
        raise ValueError
    return lambda value: not is_object(value) or all(name in value for name in meant)


def _required_with(meant: Any) -> Check:
    wanted = {name: _required(names) for name, names in meant.items()}
    return lambda value: not is_object(value) or all(check(value) for name, check in wanted.items() if name in value)


def _unique(meant: Any) -> Check:
    if not isinstance(meant, bool):
        raise TypeError
    return lambda value: not meant or not is_array(value) or len({canonical(each) for each in value}) == len(value)


def _formatted(meant: Any) -> Check:
    read = _FORMATS.get(meant)
    if read is None:
        raise Misconfigured("is not a format that is supported")

    def check(value: Any) -> bool:
        if not isinstance(value, str):
            return True
        try:
            return read(value)
        except ValueError:
            return False

    return check


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})")
_FRACTION = re.compile(r"(?<=\.[0-9]{6})[0-9]+")
_MAIL = re.compile(r"[^\s@<>]{1,64}@[^\s@<>]{1,253}")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]*")


def _is_day(value: str) -> bool:
    return _DAY.fullmatch(value) is not None and bool(date.fromisoformat(value))


def _is_time(value: str) -> bool:
    short = _FRACTION.sub("", value).upper()
    return _TIME.fullmatch(value) is not None and bool(time.fromisoformat(short).isoformat())


def _is_moment(value: str) -> bool:
    day, _, clock = value.upper().replace(" ", "T").partition("T")
    return _is_day(day) and _is_time(clock)


_FORMATS: dict[Any, Callable[[str], bool]] = {
    "date": _is_day,
    "date-time": _is_moment,
    "email": lambda value: _MAIL.fullmatch(value) is not None,
    "ipv4": lambda value: bool(ipaddress.IPv4Address(value).packed),
    "ipv6": lambda value: bool(ipaddress.IPv6Address(value).packed),
    "time": _is_time,
    "uri": lambda value: _URI.fullmatch(value) is not None,
    "uuid": lambda value: str(UUID(value)) == value.lower(),
}
MAKERS: dict[str, Callable[[Any], Check]] = {
    "const": _constant,
    "dependentRequired": _required_with,
    "enum": _enumerated,
    "exclusiveMaximum": _numeric(lambda value, bound: value < bound),
    "exclusiveMinimum": _numeric(lambda value, bound: value > bound),
    "format": _formatted,
    "maxItems": _sized(list, lambda size, bound: size <= bound),
    "maxLength": _sized(str, lambda size, bound: size <= bound),
    "maxProperties": _sized(dict, lambda size, bound: size <= bound),
    "maximum": _numeric(lambda value, bound: value <= bound),
    "minItems": _sized(list, lambda size, bound: size >= bound),
    "minLength": _sized(str, lambda size, bound: size >= bound),
    "minProperties": _sized(dict, lambda size, bound: size >= bound),
    "minimum": _numeric(lambda value, bound: value >= bound),
    "multipleOf": _multiple,
    "pattern": _matched,
    "required": _required,
    "type": _typed,
    "uniqueItems": _unique,
}
