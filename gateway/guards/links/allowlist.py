"""Hosts that links may lead to: ``example.com``, ``*.example.com``, with ``:port`` and ``/path`` where wanted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

import msgspec

from gateway.guards.links.address import Address, plain_host, split_port
from gateway.guards.views.folding import plain_form

# What reads like one letter, after everything has been brought to small Latin letters.
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))
_SINGLES = str.maketrans("01|!i", "ollll")
_ROUNDS = 3
_DOT_SEGMENTS = frozenset({".", ".."})


class _Entry(msgspec.Struct, frozen=True):
    port: int | None
    path: str

    def admits(self, address: Address) -> bool:
        if self.port != address.port and not (self.port is None and address.default_port):
            return False
        if not self.path:
            return True
        path = plain_path(address.rest)
        return path is not None and (path == self.path or path.startswith(f"{self.path.rstrip('/')}/"))


class AllowList:
    """Who may be reached.

    Args:
        values: As the policy room has checked them.
    """

    def __init__(self, values: Iterable[str]) -> None:
        self._exact: dict[str, list[_Entry]] = {}
        self._below: dict[str, list[_Entry]] = {}
        for value in values:
            self._take(value)
        self._skeletons: dict[str, str] = {}
        for host in (*self._below, *self._exact):
            self._skeletons[skeleton(host)] = host

    def admits(self, address: Address, host: str, alias: str = "") -> bool:
        """Whether an address may be reached.

        Args:
            address: As it was read.
            host: The host that is meant, of those it may have.
            alias: The name under which the host is looked up, when that is another one.
        """
        name = alias or host
        if not name:
            return False
        return any(entry.admits(address) for entry in self._entries(name))

    def mimicked(self, host: str) -> str:
        """Return the host of the list that another one looks like, or that it begins with; empty for none."""
        if not host or not self._skeletons:
            return ""
        seen = skeleton(host)
        for name in _and_parents(seen):
            known = self._skeletons.get(name)
            if known is not None:
                # A subdomain of a look-alike mimics the same subdomain.
                return host if known == host else known
        return next((known for form, known in self._skeletons.items() if seen.startswith(f"{form}.")), "")

    def _take(self, value: str) -> None:
        where, slash, path = value.partition("/")
        host, port = split_port(where.removeprefix("*."))
        entry = _Entry(port, f"/{path}" if slash and path else "")
        name = plain_host(f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host)
        (self._below if where.startswith("*.") else self._exact).setdefault(name, []).append(entry)

    def _entries(self, host: str) -> Iterator[_Entry]:
        yield from self._exact.get(host, ())
        if self._below:
            for parent in list(_and_parents(host))[1:]:
                yield from self._below.get(parent, ())


def skeleton(host: str) -> str:
    """Return what a host looks like to a reader; hosts that look alike have one skeleton."""
    shown = ".".join([_shown(label) for label in host.split(".")])
    plain = "".join([plain_form(char) for char in shown]).lower().translate(_SINGLES)
    for pair, single in _PAIRS:
        plain = plain.replace(pair, single)
    return plain


def plain_path(rest: str) -> str | None:
    """Return the path that a server sees; ``None`` when that depends on the server."""
    path = re.split(r"[?#]", rest, maxsplit=1)[0]
    for _ in range(_ROUNDS):
        decoded = unquote(path)
        if decoded == path:
            break
        path = decoded
    if "\\" in path or ";" in path or _DOT_SEGMENTS & set(path.split("/")):
        return None
    return path or "/"


def _shown(label: str) -> str:
    if label.startswith("xn--"):
        try:
            return label.encode().decode("idna")
        except UnicodeError:
            return label
    return label


def _and_parents(host: str) -> Iterator[str]:
    while host:
        yield host
        host = host.partition(".")[2]
