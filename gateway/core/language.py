"""The language of a text, told by its script, by letters that only some have, and by its little words.

It says one language for a text as a whole, and says nothing when it cannot tell: short texts, code, lists of names.
"""

from __future__ import annotations

import re

from gateway.core.language_profiles import LETTERS, OWN_LETTERS, SCRIPTS, WORDS

# More of a text tells no more; of a longer one its beginning and its end are read.
MOST_CHARS = 6_000
_LATIN = "latin"
_MOSTLY = 0.6
# How many of the words must be little ones, how many at least, and how far ahead of the next language.
_SHARE, _LEAST_WORDS, _LEAD = 0.2, 2.0, 1.25
_OWN_LETTER = 0.6
_WORD = re.compile(r"[^\W\d_]+")
# The languages that have a word; a word of many says less for each of them.
_HAVING = {
    word: tuple(code for code, its in WORDS.items() if word in its) for words in WORDS.values() for word in words
}


def detect(text: str) -> tuple[str, float] | None:
    """Return the language of a text, ISO 639-1, and how sure that is, 0 to 1; ``None`` when it cannot be told."""
    if len(text) > MOST_CHARS:
        text = text[: MOST_CHARS // 2] + " " + text[-MOST_CHARS // 2 :]
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
        if having := _HAVING.get(word):
            points = 1.0 / len(having) + 0.25
            for code in having:
                scores[code] += points
    lower = text.lower()
    # None of these is of ASCII.
    for code, letters in () if lower.isascii() else OWN_LETTERS.items():
        scores[code] += _OWN_LETTER * sum(min(lower.count(letter), 3) for letter in letters)
    best, second = sorted(scores, key=lambda code: scores[code], reverse=True)[:2]
    score = scores[best]
    telling = {word for word in found if len(word) > 1 and word in WORDS[best]}
    if len(telling) < _LEAST_WORDS and not any(letter in lower for letter in OWN_LETTERS[best]):
        return None
    if score < _LEAST_WORDS or score / len(found) < _SHARE or score < _LEAD * scores[second]:
        return None
    return best, 1.0 - 0.5 * scores[second] / score
