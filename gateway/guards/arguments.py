"""What the arguments of a tool may be: typed constraints, as a policy writes them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Any

import orjson

from gateway.clients.hyperscan import Expression, PatternDatabase
from gateway.core.errors import Misconfigured
from gateway.guards.links.address import read
from gateway.guards.links.allowlist import AllowList
from gateway.guards.offered import is_array, is_object

# Says whether a value is as it should be.
Check = Callable[[Any], bool]
_MAIL = re.compile(r"(?:[^<>@,;\"\r\n]{0,200}<)?([^\s<>@,;:\"]{1,64})@([^\s<>@,;:\"]{1,253})(>?)")


def compile_argument(name: str, rule: dict[str, Any]) -> list[tuple[str, Check]]:
    """Compile what a policy says of one argument.

    Args:
        name: For messages.
        rule: By word (``max``, ``all_in`` …), lists looked up.

    Returns:
        The checks, each with the word that asks for it.

    Raises:
        Misconfigured: A pattern cannot run.
    """
    checks: list[tuple[str, Check]] = []
    for word, meant in rule.items():
        try:
            checks.append((word, _COMPILERS[word](meant)))
        except Misconfigured as refusal:
            raise Misconfigured(f"args.{name}.{word}: {refusal.public_message}") from None
    return checks


def holds_type(value: Any, kind: str) -> bool:
    """Whether a JSON value is of a type of JSON Schema."""
    if kind == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "integer":
        return (isinstance(value, int) and not isinstance(value, bool)) or (
            isinstance(value, float) and value.is_integer()
        )
    return isinstance(value, _TYPES[kind])


def canonical(value: Any) -> bytes:
    """Bring a JSON value into the form in which equal ones are equal: 1 is 1.0, and is not true."""
    return orjson.dumps(_plain(value), option=orjson.OPT_SORT_KEYS)


def searcher(expression: str, *, whole: bool = False) -> Check:
    """Compile an expression that takes linear time.

    Args:
        expression: Looked for anywhere.
        whole: It must match from the first character to the last.

    Raises:
        Misconfigured: It cannot run.
    """
    text = rf"\A(?:{expression})\z" if whole else expression
    database = PatternDatabase([Expression(text, unicode=not expression.isascii())])

    def found(value: Any) -> bool:
        return isinstance(value, str) and bool(database.scan(value.encode("utf-8", "replace")))

    return found


_TYPES: dict[str, type] = {"string": str, "boolean": bool, "array": list, "object": dict, "null": type(None)}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    if is_array(value):
        return [_plain(each) for each in value]
    if is_object(value):
        return {key: _plain(each) for key, each in value.items()}
    return value


def _least(bound: float) -> Check:
    return lambda value: holds_type(value, "number") and value >= bound


def _most(bound: float) -> Check:
    return lambda value: holds_type(value, "number") and value <= bound


def _shorter(bound: int) -> Check:
    return lambda value: len(value if isinstance(value, str) else canonical(value).decode()) <= bound


def _of_type(kind: str) -> Check:
    return lambda value: holds_type(value, kind)


def _one_of(values: Iterable[Any]) -> Check:
    known = {canonical(value) for value in values}
    return lambda value: canonical(value) in known


def _in(listed: dict[str, Any]) -> Check:
    return _MEMBERS[listed["type"]](listed["values"])


def _all_in(listed: dict[str, Any]) -> Check:
    member = _in(listed)
    return lambda value: all(map(member, value)) if is_array(value) else member(value)


def _hosts(values: Iterable[str]) -> Check:
    allow = AllowList(values)

    def member(value: Any) -> bool:
        if not isinstance(value, str):
            return False
        address = read(value) or read(f"https://{value}")
        return (
            address is not None
            and not address.named
            and not address.opaque
            and all(allow.admits(address, host) for host in address.hosts)
        )

    return member


def _mail_domains(values: Iterable[str]) -> Check:
    known = frozenset(values)

    def member(value: Any) -> bool:
        found = _MAIL.fullmatch(value) if isinstance(value, str) else None
        # An address in angle brackets, or one alone.
        if found is None or bool(found[3]) != ("<" in value):
            return False
        domain = found[2].lower().rstrip(".")
        if not domain.isascii():
            try:
                domain = domain.encode("idna").decode()
            except UnicodeError:
                return False
        parts = domain.split(".")
        return domain in known or any(f"*.{'.'.join(parts[place:])}" in known for place in range(1, len(parts)))

    return member


def _networks(values: Iterable[str]) -> Check:
    networks = [ipaddress.ip_network(value) for value in values]

    def member(value: Any) -> bool:
        try:
            address = ipaddress.ip_address(value) if isinstance(value, str) else None
        except ValueError:
            return False
        return address is not None and any(address in network for network in networks)

    return member


def _globs(values: Iterable[str]) -> Check:
    known = tuple(values)
    return lambda value: isinstance(value, str) and any(fnmatchcase(value, glob) for glob in known)


def _words(values: Iterable[str]) -> Check:
    known = frozenset(values)
    return lambda value: isinstance(value, str) and value in known


def _whole(expression: str) -> Check:
    return searcher(expression, whole=True)


_MEMBERS: dict[str, Callable[[Iterable[str]], Check]] = {
    "cidr": _networks,
    "host": _hosts,
    "mail_domain": _mail_domains,
    "tool": _globs,
    "word": _words,
}
_COMPILERS: dict[str, Callable[[Any], Check]] = {
    "all_in": _all_in,
    "enum": _one_of,
    "in": _in,
    "max": _most,
    "max_chars": _shorter,
    "min": _least,
    "pattern": _whole,
    "type": _of_type,
}
