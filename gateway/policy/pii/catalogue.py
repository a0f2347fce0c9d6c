"""The patterns of the detector ``{use: pii}``, chosen by its options."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.core.verdict import PatternSpec
from gateway.policy.pii.entities import ADDRESSES, MONEY, NATIONAL_PHONE, PAPERS, PATIENTS, PHONE_WORDS
from gateway.policy.pii.kind import Kind, Require
from gateway.policy.pii.national import COUNTRIES, NATIONAL, US_SSN

ENTITIES = (
    *("CARD", "IBAN", "BIC", "EMAIL", "PHONE", "IP", "MAC", "IMEI", "CRYPTO", "US_SSN", "NATIONAL_ID", "PASSPORT"),
    "MEDICAL_ID",
)

# What is surest comes first: of two that begin at one place, the first names what was found.
_KINDS: tuple[Kind, ...] = (*MONEY, *US_SSN, *PAPERS, *PATIENTS, *NATIONAL, *ADDRESSES)
_PRIORITY: tuple[str, ...] = (
    "EMAIL", "IBAN", "CARD", "CRYPTO", "MAC", "IP", "US_SSN", "PASSPORT", "MEDICAL_ID", "IMEI", "NATIONAL_ID", "PHONE",
    "BIC",
)  # fmt: skip


def pii_patterns(
    *,
    entities: Sequence[str] = ENTITIES,
    countries: Sequence[str] = (),
    regions: Sequence[str] = (),
    require: Require = "checksum_or_context",
    private_ips: bool = False,
    allow: Sequence[str] = (),
) -> tuple[PatternSpec, ...]:
    """Return the patterns of a detector.

    Args:
        entities: What to look for.
        countries: Whose national numbers; none means all.
        regions: In which telephone numbers are dialled without a country's code.
        require: What makes a candidate stand.
        private_ips: Addresses of private networks count too.
        allow: Globs of samples that are not reported.
    """
    wanted = {"", *(countries or COUNTRIES)}
    chosen = [
        kind
        for kind in (*_KINDS, *_dialled(regions))
        if kind.entity in entities and kind.country in wanted and kind.private in {None, private_ips}
    ]
    chosen.sort(key=lambda kind: _PRIORITY.index(kind.entity))
    return tuple(pattern for kind in chosen if (pattern := kind.pattern(require, tuple(allow))) is not None)


def _dialled(regions: Sequence[str]) -> Iterator[Kind]:
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
