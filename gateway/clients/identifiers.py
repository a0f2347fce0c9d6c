"""Telephone numbers by their countries' numbering plans: a thin wrapper over ``phonenumbers``.

The package is imported when the first :class:`PhonePlans` is made, so that whoever looks for no numbers pays nothing.
"""

from __future__ import annotations

import importlib
import re
from typing import Any

from gateway.core.errors import Misconfigured


class PhonePlans:
    """Numbering plans of the world. Belongs to one thread.

    Raises:
        Misconfigured: The package is not installed.
    """

    __slots__ = ("_library", "_plans")

    def __init__(self) -> None:
        self._library = _library()
        # National significant numbers by region, compiled once.
        self._plans: dict[str, re.Pattern[str]] = {}

    def international(self, text: str) -> bool:
        """Return whether a text that begins with ``+`` is a number that a country's plan has."""
        library = self._library
        try:
            return bool(library.is_valid_number(library.parse(text, None)))
        except library.NumberParseException:
            return False

    def national(self, text: str, region: str) -> bool:
        """Return whether a text is a number as people of a region write it.

        Where a plan wants its prefix dialled before a number, a text without it is none.
        """
        library = self._library
        plan = self._plans.get(region)
        if plan is None:
            plan = self._plans[region] = _plan(library.PhoneMetadata.metadata_for_region(region))
        # Cheap, and enough to turn almost everything away.
        if not plan.fullmatch("".join([char for char in text if char.isdigit()])):
            return False
        found = next(iter(library.PhoneNumberMatcher(text, region, leniency=library.Leniency.VALID)), None)
        return (
            found is not None
            and (found.start, found.end) == (0, len(text))
            and bool(library.is_valid_number_for_region(found.number, region))
        )


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


def _plan(metadata: Any) -> re.Pattern[str]:
    """Match the digits of every number of a plan, with and without its prefix."""
    prefix = metadata.national_prefix_for_parsing or metadata.national_prefix or ""
    return re.compile(f"(?:{prefix})?(?:{metadata.general_desc.national_number_pattern})")
