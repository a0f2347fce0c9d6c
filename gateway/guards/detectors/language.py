"""Finds texts in languages that are not wanted. What is unknown is no finding, whatever is allowed."""

from __future__ import annotations

from collections.abc import Collection

from gateway.core.errors import Misconfigured
from gateway.core.language import MOST_CHARS, detect
from gateway.core.language_profiles import CODES
from gateway.core.verdict import DetectorSpec
from gateway.plugin.guard import About, Finding


class LanguageDetector:
    """Finds texts in languages that are not wanted.

    Attributes:
        name: As rules call it.

    Args:
        name: As rules call it.
        allow: The languages wanted; none means all but those of ``deny``.
        deny: Those that are not.
        min_chars: Texts with fewer letters are not judged.
        min_score: Findings below do not count.
    """

    __slots__ = ("_allow", "_deny", "_min_chars", "_min_score", "name")

    def __init__(
        self,
        name: str,
        *,
        allow: Collection[str] = (),
        deny: Collection[str] = (),
        min_chars: int = 20,
        min_score: float = 0.0,
    ) -> None:
        self.name = name
        self._allow = frozenset(allow)
        self._deny = frozenset(deny)
        self._min_chars = min_chars
        self._min_score = min_score

    def find(self, text: str, about: About) -> list[Finding]:
        """Return a finding about the whole text, or none."""
        if len(text) < self._min_chars or sum(map(str.isalpha, text[:MOST_CHARS])) < min(self._min_chars, MOST_CHARS):
            return []
        found = detect(text)
        if found is None:
            return []
        code, score = found
        wanted = code in self._allow if self._allow else code not in self._deny
        return [] if wanted or score < self._min_score else [Finding(kind=f"language/{code}", score=score)]


def build(spec: DetectorSpec) -> LanguageDetector:
    """Build the detector.

    Raises:
        Misconfigured: A language is not one of those that can be told.
    """
    allow, deny = spec.options.get("allow") or (), spec.options.get("deny") or ()
    for code in (*allow, *deny):
        if code not in CODES:
            raise Misconfigured(f"Detector '{spec.name}': '{code}' is not one of {', '.join(sorted(CODES))}.")
    return LanguageDetector(
        spec.name, allow=allow, deny=deny, min_chars=spec.options.get("min_chars", 20), min_score=spec.min_score
    )
