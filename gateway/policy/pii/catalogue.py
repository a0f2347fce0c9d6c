"""The patterns of the detector ``{use: pii}``, chosen by its options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

from gateway.core.verdict import PatternSpec
from gateway.policy.pii.entities import ADDRESSES, MONEY, NATIONAL_PHONE, PAPERS, PATIENTS, PHONE_WORDS
from gateway.policy.pii.kind import Kind, Require
from gateway.policy.pii.national import COUNTRIES, NATIONAL, US_SSN

Entity = Literal[
    "CARD", "IBAN", "BIC", "EMAIL", "PHONE", "IP", "MAC", "IMEI", "CRYPTO", "US_SSN", "NATIONAL_ID", "PASSPORT",
    "MEDICAL_ID",
]  # fmt: skip
ENTITIES: tuple[Entity, ...] = get_args(Entity)
# They are found by reading, not by form.
LATER_ENTITIES = ("PERSON", "ADDRESS")

# What is surest comes first: of two that begin at one place, the first names what was found.
_KINDS: tuple[Kind, ...] = (*MONEY, *US_SSN, *PAPERS, *PATIENTS, *NATIONAL, *ADDRESSES)
_PRIORITY: tuple[str, ...] = (
    "EMAIL", "IBAN", "CARD", "CRYPTO", "MAC", "IP", "US_SSN", "PASSPORT", "MEDICAL_ID", "IMEI", "NATIONAL_ID", "PHONE",
    "BIC",
)  # fmt: skip


def pii_patterns(options: Mapping[str, Any]) -> tuple[PatternSpec, ...]:
    """Return the patterns for the options of a detector.

    Args:
        options: ``entities``, ``countries`` (of national numbers), ``regions`` (in which telephone numbers are dialled
            without a country's code), ``require``, ``private_ips``, ``allow``. What is missing or empty is everything,
            but for regions: none.

    Raises:
        ValueError: An entity or country is not known.
    """
    entities: Sequence[str] = options.get("entities") or ENTITIES
    countries: Sequence[str] = options.get("countries") or COUNTRIES
    _known("entity", entities, ENTITIES)
    _known("country", countries, COUNTRIES)
    require: Require = options.get("require") or "checksum_or_context"
    allow = tuple(options.get("allow") or ())
    private = bool(options.get("private_ips"))
    chosen = [
        kind
        for kind in (*_KINDS, *_dialled(tuple(options.get("regions") or ())))
        if kind.entity in entities and kind.country in {"", *countries} and kind.private in {None, private}
    ]
    chosen.sort(key=lambda kind: _PRIORITY.index(kind.entity))
    return tuple(pattern for kind in chosen if (pattern := kind.pattern(require, allow)) is not None)


def _known(what: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name in LATER_ENTITIES and what == "entity":
            raise ValueError(f"entity {name} is not yet available: it needs a model")
        if name not in known:
            raise ValueError(f"there is no {what} '{name}'; known are {', '.join(known)}")


def _dialled(regions: tuple[str, ...]) -> Iterator[Kind]:
    """Numbers without a country's code."""
    if not regions:
        return
    names = ",".join(regions)
    yield Kind(
        entity="PHONE",
        name="PHONE_NATIONAL",
        expression=NATIONAL_PHONE,
        check=f"phone_formed:{names}",
        strength="proof",
        bare=True,
    )
    yield Kind(
        entity="PHONE",
        name="PHONE_NATIONAL_NAMED",
        expression=NATIONAL_PHONE,
        check=f"phone:{names}",
        strength="weak",
        words=PHONE_WORDS,
        bare=True,
    )
