r"""Where a URL leads: read as browsers read it, and as less careful programs do.

Browsers drop tabs and line ends, take ``\`` for ``/``, any number of slashes, numbers for addresses and percent signs
in hosts (https://url.spec.whatwg.org). Where two readings differ, both hosts are given: who lets a URL through must
let through both.
"""

from __future__ import annotations

import html
import ipaddress
import re
import unicodedata
from urllib.parse import unquote

import msgspec

_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443, "ftp": 21}
# Schemes of which nobody is told anything until a person sends it.
_QUIET = frozenset({"mailto", "tel", "sms"})
_DROPPED = re.compile(r"[\t\n\r]+")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_DOUBLE = ("//", "\\\\", "/\\", "\\/")
_BROWSER_END = re.compile(r"[\\/?#]")
_RFC_END = re.compile(r"[/?#]")
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
# Dots as Unicode writes them elsewhere; the full-width one comes out of the compatibility form.
_DOTS = str.maketrans({"\u3002": ".", "\uff61": "."})
_MAX_PORT_CHARS = 5


class Address(msgspec.Struct, frozen=True):
    """Where a URL leads.

    Attributes:
        scheme: Lower case; empty for one that takes the page's (``//host``).
        hosts: One, or two where readings differ; an empty one can be reached by no name.
        port: As written; ``None`` for the scheme's own.
        rest: Path, query and fragment, as written.
        named: A user name stands before the host.
        opaque: The scheme has no host: ``javascript:``, ``data:``.
    """

    scheme: str
    hosts: tuple[str, ...] = ()
    port: int | None = None
    rest: str = ""
    named: bool = False
    opaque: bool = False

    @property
    def default_port(self) -> bool:
        """Whether the port is the scheme's own."""
        return self.port is None or self.port == _DEFAULT_PORTS.get(self.scheme)


def read(written: str) -> Address | None:
    """Read where a URL leads.

    Args:
        written: As it stands in the text; entities are resolved.

    Returns:
        The address; ``None`` for a relative one, and for schemes that lead to nobody by themselves.
    """
    text = _plain(html.unescape(written) if "&" in written else written)
    address = _absolute(text)
    if address is None and "%" in text:
        # Not absolute for a browser, but for who decodes it first.
        decoded = unquote(text)
        address = _absolute(decoded) if _looks_absolute(decoded) else None
    return address


def _plain(text: str) -> str:
    text = _DROPPED.sub("", text).strip("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x1b ")
    if not text.isascii():
        text = "".join(char for char in text if unicodedata.category(char) not in ("Cf", "Cc")).strip()
    return text


def _looks_absolute(text: str) -> bool:
    return bool(re.match(r"\s*(?:[A-Za-z][A-Za-z0-9+.-]*:)?[\\/]{2}", text))


def _absolute(text: str) -> Address | None:
    found = _SCHEME.match(text)
    if text[:4].lower() == "www.":
        return _addressed("http", text)
    if found is None:
        return _addressed("", text) if text[:2] in _DOUBLE else None
    scheme, rest = found[1].lower(), text[found.end() :]
    if scheme in _DEFAULT_PORTS or rest[:2] in _DOUBLE:
        return _addressed(scheme, rest)
    # `file.py:12` is a place in a file, and no browser opens `host.example:80`.
    if scheme in _QUIET or "." in scheme:
        return None
    return Address(scheme, rest=rest, opaque=True)


def _addressed(scheme: str, text: str) -> Address:
    text = text.lstrip("\\/")
    browser, strict = _until(_BROWSER_END, text), _until(_RFC_END, text)
    hosts: dict[str, None] = {}
    port: int | None = None
    for authority in dict.fromkeys((browser, strict)):
        host, port = split_port(authority.rpartition("@")[2])
        hosts[plain_host(host)] = None
    return Address(scheme, tuple(hosts), port, text[len(browser) :], "@" in strict)


def _until(end: re.Pattern[str], text: str) -> str:
    found = end.search(text)
    return text if found is None else text[: found.start()]


def split_port(authority: str) -> tuple[str, int | None]:
    """Split ``host:port``; a port that is none spoils the host."""
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        return authority, None
    if not port:
        return host, None
    if port.isascii() and port.isdigit() and len(port) <= _MAX_PORT_CHARS:
        return host, int(port)
    return "", None


def plain_host(written: str) -> str:
    """Bring a host into the form in which hosts are compared; empty when it can be none.

    Names are lower case and as they go over the wire, addresses in their usual form whatever notation was used.
    """
    if written.startswith("["):
        return _ipv6(written)
    host = unquote(written) if "%" in written else written
    if not host.isascii():
        host = unicodedata.normalize("NFKC", host.translate(_DOTS)).translate(_DOTS)
        host = "".join(char for char in host if unicodedata.category(char) != "Cf")
    host = host.lower().rstrip(".")
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            return ""
    if not _HOST.fullmatch(host) or ".." in host:
        return ""
    last = host.rpartition(".")[2]
    return _ipv4(host) if _NUMBER.fullmatch(last) else host


def _ipv6(written: str) -> str:
    try:
        address = ipaddress.IPv6Address(written[1:-1] if written.endswith("]") else "")
    except ValueError:
        return ""
    return str(address.ipv4_mapped or address)


def _ipv4(host: str) -> str:
    """Read an address of one to four numbers, decimal, octal or hexadecimal."""
    parts = host.split(".")
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return ""
    try:
        numbers = [_number(part) for part in parts]
    except ValueError:
        return ""
    *first, last = numbers
    if any(number > 255 for number in first) or last >= 256 ** (5 - len(parts)):
        return ""
    value = last + sum(number << (24 - 8 * place) for place, number in enumerate(first))
    return str(ipaddress.IPv4Address(value))


def _number(part: str) -> int:
    if len(part) > 16:
        raise ValueError
    if part[:2] in ("0x", "0X"):
        return int(part[2:] or "0", 16)
    return int(part, 8) if part.startswith("0") and len(part) > 1 else int(part)
