"""Telephone numbers by their countries' numbering plans: a thin wrapper over ``phonenumbers``.

The package is imported when the first :class:`PhonePlans` is made, so that whoever looks for no numbers pays nothing.
"""

from __future__ import annotations

import importlib
import re
from typing import Any

from gateway.core.errors import Misconfigured

_KINDS = (
    *("fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip", "pager", "uan"),
    "voicemail",
)


class PhonePlans:
    """Numbering plans of the world. Belongs to one thread.

    Raises:
        Misconfigured: The package is not installed.
    """

    __slots__ = ("_library", "_plans", "_prefixed")

    def __init__(self) -> None:
        self._library = _library()
        # By region, compiled once.
        self._plans: dict[str, re.Pattern[str]] = {}
        self._prefixed: dict[str, re.Pattern[str]] = {}

    def international(self, text: str) -> bool:
        """Return whether a text that begins with ``+`` is a number that a country's plan has."""
        library = self._library
        digits = "".join([char for char in text if char.isdigit()])
        for size in (1, 2, 3):
            regions = library.COUNTRY_CODE_TO_REGION_CODE.get(int(digits[:size] or 0), ())
            if any(region != "001" and self._plan(region).fullmatch(digits, size) for region in regions):
                return True
        # Written otherwise, say with a prefix that is dialled at home only: the library knows, but takes its time.
        try:
            return bool(library.is_valid_number(library.parse(text, None)))
        except library.NumberParseException:
            return False

    def national(self, text: str, region: str) -> bool:
        """Return whether a text is a number as people of a region write it.

        Where a plan wants its prefix dialled before a number, a text without it is none.
        """
        library = self._library
        if not self._dialled(region).fullmatch("".join([char for char in text if char.isdigit()])):
            return False
        found = next(iter(library.PhoneNumberMatcher(text, region, leniency=library.Leniency.VALID)), None)
        return (
            found is not None
            and (found.start, found.end) == (0, len(text))
            and bool(library.is_valid_number_for_region(found.number, region))
        )

    def _plan(self, region: str) -> re.Pattern[str]:
        """Match the digits of every number of a plan, without country's code and prefix."""
        known = self._plans.get(region)
        if known is None:
            metadata = self._library.PhoneMetadata.metadata_for_region(region)
            kinds = [getattr(metadata, kind) for kind in _KINDS]
            patterns = {kind.national_number_pattern for kind in kinds if kind is not None} - {None, "NA"}
            known = self._plans[region] = re.compile("|".join(f"(?:{pattern})" for pattern in sorted(patterns)))
        return known

    def _dialled(self, region: str) -> re.Pattern[str]:
        """Match the same with and without the prefix."""
        known = self._prefixed.get(region)
        if known is None:
            metadata = self._library.PhoneMetadata.metadata_for_region(region)
            prefix = metadata.national_prefix_for_parsing or metadata.national_prefix or ""
            known = self._prefixed[region] = re.compile(f"(?:{prefix})?(?:{self._plan(region).pattern})")
        return known


def phone_regions() -> frozenset[str]:
    """Return the ISO codes of all regions that have telephone numbers.

    Raises:
        Misconfigured: The package is not installed.
    """
    return frozenset(_library().SUPPORTED_REGIONS)


def _library() -> Any:
    try:
        return importlib.import_module("phonenumbers")
    except ImportError:
        raise Misconfigured("PHONE needs the package phonenumberslite, which is not installed.") from None
