"""Telephone numbers, judged by the numbering plans of the world once a few cheap looks have let them through."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from functools import cache

from gateway.clients.identifiers import PhonePlans, phone_regions
from gateway.guards.pii.framing import framed, is_piece
from gateway.guards.validators import Before, Check, free

_GROUP = re.compile("[0-9]+")
# Signs between groups: one, or a space beside another, or a bracket with its space.
_GAPS = re.compile(r"(?:[ .-]|[ ]?[/-][ ]?|[ ]?\([ ]?|[ ]?\)[ ./-]?)\Z")
_DATES = re.compile(
    r"(?:(?:19|20)[0-9]{2}([-./ ])[0-9]{1,2}\1[0-9]{1,2}|[0-9]{1,2}([-./])[0-9]{1,2}\2(?:19|20)?[0-9]{2})(?![0-9.])"
)
_NORTH_AMERICA = re.compile(r"(?:1[ .-])?(?:\([2-9][0-9]{2}\)[ ]?|[2-9][0-9]{2}[ .-])[2-9][0-9]{2}[-. ][0-9]{4}")
_FEWEST, _MOST, _GROUPS = 7, 15, 7


@cache
def plans() -> PhonePlans:
    """The world's plans, read when the first number is looked at."""
    return PhonePlans()


class InternationalPhone(Check, frozen=True, kw_only=True):
    """A number with its country's code.

    Attributes:
        zeros: It begins with ``00`` in place of the sign.
        spaced: Only one in groups.
    """

    before: Before = ""
    costly: bool = True
    zeros: bool = False
    spaced: bool = False

    def narrow(self, text: str, start: int, end: int) -> tuple[int, int] | None:
        """See :meth:`gateway.guards.validators.Check.narrow`."""
        start, end = framed(text, start, end)
        if not free(text, start, "alnum") or text[max(0, start - 1) : start] in {")", "]", "+"}:
            return None
        first = start + (2 if self.zeros else 1)
        groups = [found.span() for found in _GROUP.finditer(text, first, end)]
        digits = sum(high - low for low, high in groups)
        if not _FEWEST <= digits <= _MOST or len(groups) > _GROUPS or not _gaps(text, groups):
            return None
        if (self.spaced and len(groups) == 1) or (text[end : end + 1] == "." and text[end + 1 : end + 2].isdigit()):
            return None
        number = "+" + text[first:end].lstrip(" (-").replace("(0)", "")
        return (start, end) if plans().international(number) else None


class NationalPhone(Check, frozen=True, kw_only=True):
    """A number as it is dialled inside one of some regions.

    Attributes:
        regions: ISO codes.
        formed: Only one that is written as nothing else is: behind its region's prefix and in groups, or as in North
            America.
    """

    before: Before = ""
    costly: bool = True
    regions: tuple[str, ...]
    formed: bool = False

    def narrow(self, text: str, start: int, end: int) -> tuple[int, int] | None:
        """See :meth:`gateway.guards.validators.Check.narrow`."""
        start, end = framed(text, start, end)
        for begin in _beginnings(text, start, end):
            number = text[begin:end]
            if not is_piece(text, begin) and self._plausible(text, begin, end, number):
                known = plans()
                if any(known.national(number, region) for region in self.regions):
                    return begin, end
        return None

    def _plausible(self, text: str, begin: int, end: int, number: str) -> bool:
        if begin and text[begin - 1] in "+-/.,$":
            return False
        if text[end : end + 1] in {"-", "/"} or _DATES.match(number):
            return False
        groups = [found.span() for found in _GROUP.finditer(text, begin, end)]
        digits = sum(high - low for low, high in groups)
        if not _FEWEST <= digits <= _MOST or len(groups) > _GROUPS or not _gaps(text, groups):
            return False
        if number.count("(") != number.count(")"):
            return False
        if not self.formed:
            return True
        if _NORTH_AMERICA.fullmatch(number):
            return True
        low, high = groups[0]
        lead = text[low:high]
        return lead[0] == "0" and len(groups) > 1 and digits > 8 and 1 < len(lead) < 7 and "." not in number[:3]


def _gaps(text: str, groups: list[tuple[int, int]]) -> bool:
    """Whether groups stand apart as those of a number do, and not as those of a decimal fraction."""
    low, high = groups[-1]
    if high - low < 2 or text.count(".", groups[0][1], low) == 1:
        return False
    return all(_GAPS.match(text, high, low) for (_, high), (low, _) in itertools.pairwise(groups))


def _beginnings(text: str, start: int, end: int) -> Iterator[int]:
    yield start
    for found in _GROUP.finditer(text, start + 1, end):
        at = found.start()
        if text[at - 1] == "(":
            yield at - 1
        if not text[at - 1].isdigit():
            yield at


PHONES: dict[str, Check] = {
    "phone_plus": InternationalPhone(),
    "phone_zeros": InternationalPhone(zeros=True),
    "phone_zeros_spaced": InternationalPhone(zeros=True, spaced=True),
}


def national_phone(regions: str, *, formed: bool) -> NationalPhone | None:
    """Build the check for regions in a list with commas; ``None`` when one of them has no numbers.

    Raises:
        Misconfigured: The library is not there.
    """
    codes = tuple(regions.split(","))
    return NationalPhone(regions=codes, formed=formed) if phone_regions().issuperset(codes) else None
