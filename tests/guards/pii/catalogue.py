"""The whole catalogue, compiled once, and what it finds."""

from __future__ import annotations

from functools import cache

from gateway.core.verdict import DetectorSpec
from gateway.guards.matcher import Matcher
from gateway.policy.pii.catalogue import pii_patterns

REGIONS = ("US", "DE", "FR", "GB", "ES", "IT", "NL")


@cache
def everything() -> Matcher:
    return Matcher([DetectorSpec(name="ids", use="pii", patterns=pii_patterns())])


@cache
def dialled() -> Matcher:
    patterns = pii_patterns(entities=["PHONE"], regions=REGIONS)
    return Matcher([DetectorSpec(name="ids", use="pii", patterns=patterns)])


def masked(text: str, matcher: Matcher | None = None) -> str:
    """The text with a marker for everything that was found."""
    at, out = 0, ""
    for hit in (matcher or everything()).find(text):
        out += text[at : hit.start] + f"[{hit.label}]"
        at = hit.end
    return out + text[at:]
