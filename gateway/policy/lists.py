"""Typed lists: hosts, mail domains, networks, tools, words. A list that says what it holds can be checked.

A value is brought into the form in which it is compared: lower case, international names as they go over the wire.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, cast, get_args

from pydantic import Field, model_validator

from gateway.config.validation import Many, Strict

ListType = Literal["mail_domain", "host", "cidr", "tool", "word"]
TYPES: tuple[ListType, ...] = get_args(ListType)
MAX_VALUES = 50_000
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_PORT = re.compile(r":([0-9]{1,5})\Z")
# As it goes over the wire: letters, digits and signs that need no percent sign.
_PATH = re.compile(r"[A-Za-z0-9._~!$&'()*+,=:@/-]{0,500}")
_TOOL = re.compile(r"[^\s\x00-\x1f]{1,200}")


class ListSpec(Strict):
    """A list that detectors refer to by name."""

    type: ListType
    values: Many[str] = ()
    file: str | None = Field(None, min_length=1, max_length=1000)

    @model_validator(mode="after")
    def _one_source(self) -> ListSpec:
        if (self.file is None) == (not self.values):
            raise ValueError("give either values or file")
        return self


def parse_values(kind: ListType, values: Iterable[str]) -> tuple[list[str], list[tuple[int, str]]]:
    """Check the values of a list and bring them into the form in which they are compared.

    Args:
        kind: What they are.
        values: As written.

    Returns:
        The values without repetition, in order; and for each one that is none, its position and what is wrong.
    """
    read = _READERS[kind]
    good: dict[str, None] = {}
    wrong: list[tuple[int, str]] = []
    for index, value in enumerate(values):
        try:
            good[read(value.strip())] = None
        except ValueError as error:
            wrong.append((index, str(error)))
    if len(good) > MAX_VALUES:
        wrong.append((MAX_VALUES, f"more than {MAX_VALUES} values"))
    return list(good), wrong


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """Yield the values of a list file with their lines: one a line, ``#`` begins a remark."""
    for number, line in enumerate(text.splitlines(), start=1):
        value = line.partition("#")[0].strip()
        if value:
            yield number, value


def parse_host(text: str) -> str:
    """Read a host: a name, ``*.`` and a name for everything below it, or an address.

    Behind it may stand a port, and a path with which URLs must begin: ``example.com:8443/docs``.

    Raises:
        ValueError: It is none; the message says what was expected.
    """
    where, slash, path = text.partition("/")
    if not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise ValueError("should be a host and the beginning of a path, such as example.com/docs")
    # Colons without brackets are those of an address.
    port = _PORT.search(where) if where.count(":") == 1 or "]" in where else None
    if port is not None and not 0 < int(port[1]) < 65536:
        raise ValueError("should be a host and a port from 1 to 65535")
    host = _host(where[: port.start()] if port else where)
    if port is not None and ":" in host:
        host = f"[{host}]"
    return f"{host}{port.group() if port else ''}{slash if path else ''}{path.rstrip('/')}"


def _host(text: str) -> str:
    name = text.removeprefix("*.")
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return text[: len(text) - len(name)] + _domain(name, "a host such as example.com or *.example.com")
    if name != text:
        raise ValueError("should be a host; an address has nothing below it")
    return str(address)


def _mail_domain(text: str) -> str:
    name = text.removeprefix("*.")
    return text[: len(text) - len(name)] + _domain(name, "a mail domain such as example.com or *.example.com")


def _domain(name: str, expected: str) -> str:
    wire = name.lower().rstrip(".")
    if not wire.isascii():
        try:
            wire = wire.encode("idna").decode()
        except UnicodeError:
            raise ValueError(f"should be {expected}") from None
    if len(wire) > 253 or not all(_LABEL.fullmatch(label) for label in wire.split(".")):
        raise ValueError(f"should be {expected}")
    return wire


def _cidr(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise ValueError("should be a network such as 10.0.0.0/8, without bits behind the mask") from None


def _tool(text: str) -> str:
    if not _TOOL.fullmatch(text):
        raise ValueError("should be a tool's name or a glob such as mcp:crm/*")
    return text


def _word(text: str) -> str:
    if not 0 < len(text) <= 1000:
        raise ValueError("should be a text of 1 to 1000 characters")
    return text


_READERS: dict[ListType, Callable[[str], str]] = cast(
    "dict[ListType, Callable[[str], str]]",
    {"mail_domain": _mail_domain, "host": parse_host, "cidr": _cidr, "tool": _tool, "word": _word},
)
