"""The language of a text, told by its script, by letters that only some have, and by its little words.

It says one language for a text as a whole, and says nothing when it cannot tell: short texts, code, lists of names.
What is unknown is no finding, whatever is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from gateway.core.errors import Misconfigured
from gateway.core.verdict import DetectorSpec
from gateway.guards.detectors.language_profiles import CODES, LETTERS, OWN_LETTERS, SCRIPTS, WORDS
from gateway.plugin.guard import About, Finding

# More of a text tells no more; of a longer one its beginning and its end are read.
_MOST_CHARS = 6_000
_LATIN = "latin"
_MOSTLY = 0.6
# How many of the words must be little ones, how many at least, and how far ahead of the next language.
_SHARE, _LEAST_WORDS, _LEAD = 0.2, 2.0, 1.25
_OWN_LETTER = 0.6
_WORD = re.compile(r"[^\W\d_]+")
_SHARED = {word: sum(word in words for words in WORDS.values()) for words in WORDS.values() for word in words}


def detect(text: str) -> tuple[str, float] | None:
    """Return the language of a text, ISO 639-1, and how sure that is, 0 to 1; ``None`` when it cannot be told."""
    if len(text) > _MOST_CHARS:
        text = text[: _MOST_CHARS // 2] + " " + text[-_MOST_CHARS // 2 :]
    script, share = _script(text)
    if share < _MOSTLY:
        return None
    if script == _LATIN:
        return _by_words(text)
    for code, letters in LETTERS.get(script, ()):
        if letters.search(text):
            return code, share
    # Of these, a text has one of the letters above unless it is very short.
    return (script, share) if script != "ru" else ("ru", share * _MOSTLY)


def _script(text: str) -> tuple[str, float]:
    if text.isascii():
        return _LATIN, 1.0
    counts = {code: len(letters.findall(text)) for code, letters in SCRIPTS}
    total = sum(counts.values())
    # Japanese is written in its own letters and in Chinese ones.
    if counts["ja"]:
        counts["ja"] += counts.pop("zh")
    script = max(counts, key=lambda code: counts[code])
    return script, counts[script] / total if total else 0.0


def _by_words(text: str) -> tuple[str, float] | None:
    found = _WORD.findall(text.lower())
    if not found:
        return None
    scores = dict.fromkeys(WORDS, 0.0)
    for word in found:
        if word in _SHARED:
            for code, words in WORDS.items():
                if word in words:
                    scores[code] += 1.0 / _SHARED[word] + 0.25
    lower = text.lower()
    for code, letters in OWN_LETTERS.items():
        scores[code] += _OWN_LETTER * sum(min(lower.count(letter), 3) for letter in letters)
    best, second = sorted(scores, key=lambda code: scores[code], reverse=True)[:2]
    score = scores[best]
    telling = {word for word in found if len(word) > 1 and word in WORDS[best]}
    if len(telling) < _LEAST_WORDS and not any(letter in lower for letter in OWN_LETTERS[best]):
        return None
    if score < _LEAST_WORDS or score / len(found) < _SHARE or score < _LEAD * scores[second]:
        return None
    return best, 1.0 - 0.5 * scores[second] / score


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
        if len(text) < self._min_chars or sum(map(str.isalpha, text[:_MOST_CHARS])) < min(self._min_chars, _MOST_CHARS):
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
