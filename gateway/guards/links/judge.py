"""Whether a link may be left where it is: who it leads to, and who that one passes the reader on to."""

from __future__ import annotations

import html
import re
from base64 import b64decode, urlsafe_b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator
from typing import Literal
from urllib.parse import unquote, unquote_plus

from gateway.guards.links.address import Address, plain_host, read
from gateway.guards.links.allowlist import AllowList
from gateway.guards.links.sighting import MAX_URL

Fault = Literal["", "host", "lookalike", "scheme", "user", "long", "redirector"]

_ROUNDS = 3
# A host and its user name are not longer than this.
_LONG = 600
# A link that names more addresses than this in itself is not looked through; it does not pass.
_MAX_NESTED = 16
_NESTED = re.compile(
    r"(?i)(?:https?|ftps?|wss?):[\\/]{1,8}[^\s&\\/]|[a-z][a-z0-9+.-]{0,31}:[\\/]{2}|[\\/]{2}(?=[^\s\\/?#&]+)"
)
_VALUE = re.compile(r"([A-Za-z0-9_.\[\]-]{0,64})=([^&;#?]*)")
_NAMED_HOST = re.compile(r"(?i)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63}){0,8}\.[a-z]{2,24}(?::[0-9]{1,5})?(?:[/?#].*)?")
# Names of parameters by which pages pass their readers on.
_PASSING = re.compile(
    r"(?i)(?:.*[_.\[-])?(?:u|ur[il]|to|go|goto|next|dest|destination|target|redir|redirect|return|continue|link|href|"
    r"forward|out|image|img|src|callback|host|domain|site|page|r)\]?(?:[_-]?(?:ur[il]|to|link))?|"
    r"(?:redirect|return|continue|next|target|dest|image|img|callback|forward|site|page)(?:ur[il]|to)"
)
# What `http` and `//` become in base 64.
_ENCODED = re.compile(r"(?:aHR0c|SFRUU|Ly9)[A-Za-z0-9+/_-]{8,}={0,2}")
# Without any of these there is no address in a path or query.
_SUSPECT = re.compile(r"[:%=&\\]|//|aHR0c|SFRUU|Ly9")
_DOUBLE = ("//", "\\\\", "/\\", "\\/")


class LinkJudge:
    """Says whether links may stay.

    Args:
        allow: Who may be reached.
        redirectors: Addresses inside an allowed one are not looked at.
        lookalikes: A host that looks like one of the list passes for it.
    """

    def __init__(self, allow: AllowList, *, redirectors: bool = False, lookalikes: bool = False) -> None:
        self._allow = allow
        self._redirectors = redirectors
        self._lookalikes = lookalikes

    def fault(self, written: str) -> Fault:
        """Return what is wrong with a link; empty for nothing."""
        if len(written) > _LONG:
            # Most that is wrong shows at once.
            begun = read(written[:_LONG])
            if begun is not None and begun.rest and begun.hosts and (fault := self._address(begun)):
                return fault
        address = read(written)
        if address is None:
            return ""
        fault = self._address(address)
        if fault or self._redirectors:
            return fault
        if len(written) > MAX_URL:
            return "long"
        return "redirector" if self._passes_on(address.rest) else ""

    def _address(self, address: Address) -> Fault:
        if address.opaque:
            return "scheme"
        if address.named:
            return "user"
        for host in address.hosts:
            fault = self._host(address, host)
            if fault:
                return fault
        return ""

    def _host(self, address: Address, host: str) -> Fault:
        if self._allow.admits(address, host):
            return ""
        mimicked = self._allow.mimicked(host)
        if not mimicked or mimicked == host:
            return "host"
        if self._lookalikes and self._allow.admits(address, host, mimicked):
            return ""
        return "lookalike"

    def _passes_on(self, rest: str) -> bool:
        """Whether an address inside another one leads to a host that nobody allowed."""
        if _SUSPECT.search(rest) is None:
            return False
        for count, inner in enumerate(_nested(rest)):
            address = read(inner)
            if count >= _MAX_NESTED:
                return True
            if address is not None and (address.named or any(self._host(address, host) for host in address.hosts)):
                return True
        return False


def _nested(rest: str) -> Iterator[str]:
    for text in dict.fromkeys(_decoded(rest)):
        yield from _written_out(text)
        for name, value in _VALUE.findall(text):
            if value[:4].lower() == "www." or (_PASSING.fullmatch(name) and _NAMED_HOST.fullmatch(value)):
                yield f"http://{value}"
        for found in _ENCODED.finditer(text):
            yield from _written_out(_unpacked(found.group()))


def _decoded(text: str) -> Iterator[str]:
    yield text
    for _ in range(_ROUNDS):
        decoded = html.unescape(unquote(text))
        if decoded == text:
            break
        yield decoded
        if "+" in decoded:
            yield unquote_plus(text)
        text = decoded


def _written_out(text: str) -> Iterator[str]:
    for found in _NESTED.finditer(text):
        inner = text[found.start() :]
        # `//` in a path is a double slash as long as no host stands behind it.
        if not found.group().startswith(_DOUBLE) or _is_host(inner):
            yield inner


def _is_host(inner: str) -> bool:
    host = plain_host(re.split(r"[\\/?#&:]", inner.lstrip("\\/"), maxsplit=1)[0].rpartition("@")[2])
    return "." in host or host == "localhost" or "[" in inner[:3]


def _unpacked(text: str) -> str:
    padded = text.rstrip("=")
    padded += "=" * (-len(padded) % 4)
    try:
        data = urlsafe_b64decode(padded) if "-" in text or "_" in text else b64decode(padded)
    except (NotBase64, ValueError):
        return ""
    return data.decode("utf-8", "replace")
