"""Addresses of people and machines: mail, IP, MAC, and the numbers of telephones as devices."""

from __future__ import annotations

import ipaddress
import re

from gateway.guards.pii.arithmetic import luhn
from gateway.guards.pii.codes import DOMAINS, SUFFIXES
from gateway.guards.pii.framing import framed, is_piece
from gateway.guards.validators import Before, Check

_LOCAL = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._%+'-")
_HOST = re.compile("[A-Za-z0-9.-]+")
_HOST_CHARS = 252
_LABEL = re.compile("[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_LAST = re.compile("[A-Za-z]{2,24}|[xX][nN]--[A-Za-z0-9-]{1,59}")
_PRIVATE = tuple(
    ipaddress.IPv4Network(net)
    for net in ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
                "192.168.0.0/16", "224.0.0.0/3")
)  # fmt: skip
_VERSION = re.compile(
    r"(?:[=~^<>!]=\s?|[~^@]\s?|(?i:\bver\.?|version|release|\bv\.?)[\s:=\"]{1,2}|[A-Za-z0-9]/|[A-Za-z]-)\Z"
)
_LAST_MAJOR = 31
_BOOKED_TYPES = frozenset(("01", "35", "86"))


class EmailCheck(Check, frozen=True, kw_only=True):
    """A mail address: a bounded local part, host labels, a last label that is a domain's and no file's suffix.

    The expression ends behind the sign; the domain is read here.
    """

    before: Before = ""
    reads: str = f"[A-Za-z0-9.-]{{0,{_HOST_CHARS}}}"

    def narrow(self, text: str, start: int, end: int) -> tuple[int, int] | None:
        """See :meth:`gateway.guards.validators.Check.narrow`."""
        before = text[start - 1] if start else " "
        if before in _LOCAL:
            # More than 64 characters stand before the sign: no address.
            return None
        if before == "\\" and text[start] in "abfnrtv0":
            start += 1
        at = end - 2
        start, _ = framed(text, start, at)
        while start < at and text[start] in ".%+'-_":
            start += 1
        local = text[start:at]
        if not local or ".." in local or local[-1] == ".":
            return None
        size = _host(text[at + 1 : end + _HOST_CHARS])
        stop = at + 1 + size
        if not size or (local == "git" and text[stop : stop + 1] == ":"):
            return None
        return start, stop


def _host(text: str) -> int:
    """Return how many characters of a text are a domain; 0 when it begins with none.

    A sentence may end, or go on without a space, right behind an address.
    """
    found = _HOST.match(text)
    labels = found.group().split(".") if found else []
    for count in range(len(labels), 1, -1):
        last = labels[count - 1]
        if not last.lower().startswith("xn--"):
            last = last.partition("-")[0]
        if _is_last(last):
            rest = labels[: count - 1]
            return sum(map(len, rest)) + len(rest) + len(last) if all(map(_LABEL.fullmatch, rest)) else 0
    return 0


def _is_last(label: str) -> bool:
    """Whether a label may stand last: in one case only, since ``obj.T`` and ``x.Shape`` are attributes."""
    lower = label.lower()
    if not _LAST.fullmatch(label) or label not in {lower, label.upper()}:
        return False
    return lower in DOMAINS if len(label) == 2 else lower not in SUFFIXES


class Ipv4Check(Check, frozen=True, kw_only=True):
    """Four octets.

    Attributes:
        private: Networks that are nobody's in particular count too.
        long: Only what no version looks like: two octets of three digits, or three where the first is small.
    """

    before: Before = ""
    private: bool = False
    long: bool = False

    def narrow(self, text: str, start: int, end: int) -> tuple[int, int] | None:
        """See :meth:`gateway.guards.validators.Check.narrow`."""
        start, end = framed(text, start, end)
        octets = text[start:end].split(".")
        if len(octets) != 4 or any(int(octet) > 255 or (octet[0] == "0" and len(octet) > 1) for octet in octets):
            return None
        if self.long and sum(len(octet) == 3 for octet in octets) < (2 if int(octets[0]) > _LAST_MAJOR else 3):
            return None
        if is_piece(text, start) or _VERSION.search(text, max(0, start - 8), start):
            return None
        if text[end : end + 1] == "." and text[end + 1 : end + 2].isdigit():
            return None
        address = ipaddress.IPv4Address(text[start:end])
        return (start, end) if self.private or not any(address in net for net in _PRIVATE) else None


class Ipv6Check(Check, frozen=True, kw_only=True):
    """Groups with colons; attributes as for IPv4, where ``long`` turns away what may be a slice or a path."""

    before: Before = ""
    private: bool = False
    long: bool = False

    def narrow(self, text: str, start: int, end: int) -> tuple[int, int] | None:
        """See :meth:`gateway.guards.validators.Check.narrow`."""
        start, end = framed(text, start, end)
        value = text[start:end]
        if value.count(":") != 7 and "::" not in value:
            return None
        if (start and text[start - 1] == ":") or (
            text[end : end + 1] == ":" and text[end + 1 : end + 2] in _HEX_OR_COLON
        ):
            return None
        try:
            address = ipaddress.IPv6Address(value)
        except ValueError:
            return None
        full = [group for group in value.split(":") if len(group) == 4]
        if self.long and not (len(full) > 1 or (full and value[0] in "23" and full[0] == value[:4])):
            return None
        return (start, end) if self.private or not (address.is_link_local or address in _LOCAL_V6) else None


_HEX_OR_COLON = tuple("0123456789abcdefABCDEF:")
_LOCAL_V6 = ipaddress.IPv6Network("fc00::/7")


class MacCheck(Check, frozen=True, kw_only=True):
    """Six pairs of hexadecimal digits, and no seventh; with hyphens, one of them must be a letter (a date has none)."""

    before: Before = ""

    def narrow(self, text: str, start: int, end: int) -> tuple[int, int] | None:
        """See :meth:`gateway.guards.validators.Check.narrow`."""
        start, end = framed(text, start, end)
        if end - start != 17:
            return None
        sign = text[start + 2]
        value = text[start:end].replace(sign, "")
        if len(value) != 12 or value.lower() in {"0" * 12, "f" * 12} or (sign == "-" and value.isdigit()):
            return None
        if start and text[start - 1] == sign:
            return None
        return None if text[end : end + 1] == sign and text[end + 1 : end + 2] in _HEX_OR_COLON else (start, end)


def imei(digits: str) -> bool:
    """Whether fifteen digits may be a telephone's."""
    return len(set(digits)) > 3 and luhn(digits)


def booked_imei(digits: str) -> bool:
    """Whether they are one whose type code begins as those that are given out today."""
    return digits[:2] in _BOOKED_TYPES and imei(digits)


def dotted_mac(digits: str) -> bool:
    """Whether twelve hexadecimal digits are a machine's address: neither all zeros nor the one for everybody."""
    return digits not in {"0" * 12, "F" * 12}


NETWORK: dict[str, Check] = {
    "email": EmailCheck(),
    "ipv4": Ipv4Check(),
    "ipv4_long": Ipv4Check(long=True),
    "ipv4_private": Ipv4Check(private=True),
    "ipv4_private_long": Ipv4Check(private=True, long=True),
    "ipv6": Ipv6Check(),
    "ipv6_long": Ipv6Check(long=True),
    "ipv6_private": Ipv6Check(private=True),
    "ipv6_private_long": Ipv6Check(private=True, long=True),
    "mac": MacCheck(),
}
